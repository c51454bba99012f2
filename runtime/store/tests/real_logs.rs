//! Owns the check that real log files come back byte for byte, and the report of how small they get.
//! Opt-in: `LOGBOOM_LOGHUB=FOLDER cargo test -p store --test real_logs -- --nocapture` takes every file in it.

use store::measure::Maker;

const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_ROWS: usize = 16_384;

#[test]
fn real_log_files_come_back_byte_for_byte() {
    let Some(folder) = std::env::var_os("LOGBOOM_LOGHUB") else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "log")) {
        let bytes = std::fs::read(file).unwrap();
        let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
        let (mut stored, mut templates, mut whole, mut blocks) = (0, 0, 0, 0);
        let mut parts: Vec<store::measure::Part> = Vec::new();
        let mut maker = Maker::default();
        let mut left = &lines[..];
        while !left.is_empty() {
            let mut size = 0;
            let fits = |line: &&&[u8]| {
                size += line.len();
                size <= BLOCK_BYTES
            };
            let count = left.iter().take(BLOCK_ROWS).take_while(fits).count().max(1);
            let (now, later) = left.split_at(count);
            left = later;
            let rows = now.iter().enumerate();
            let made = maker
                .compose(rows.map(|(row, line)| (1_700_000_000_000 + row as i64 * 31, 7, row as u64, *line)));
            let reading = made.read(made.compress()).unwrap();
            assert!(made.is_read_back(&reading).unwrap(), "{}", file.display());
            for line in now.iter().step_by(97).filter(|line| !line.is_empty()) {
                let from = line.len() / 3;
                for needle in [&line[from..], &line[..from.max(1)], &line[from..line.len().min(from + 7)]] {
                    let expected =
                        now.iter().filter(|line| memchr::memmem::find(line, needle).is_some()).count();
                    assert_eq!(
                        reading.find(needle).unwrap(),
                        expected,
                        "{:?}",
                        String::from_utf8_lossy(needle)
                    );
                }
            }
            blocks += 1;
            templates += reading.templates();
            whole += reading.whole_rows().unwrap();
            parts.extend(made.parts(&reading));
        }
        stored += parts.iter().map(|part| part.stored).sum::<usize>();
        let plain = zstd::bulk::compress(&bytes, 1).unwrap().len();
        println!(
            "{:<14} {:>7} raw -> {stored:>6} = {:.4} per byte (zstd -1 of the text: {:.4}), {blocks} blocks, \
             {templates} templates, {whole} of {} rows whole",
            file.file_name().unwrap_or_default().to_string_lossy(),
            bytes.len(),
            stored as f64 / bytes.len() as f64,
            plain as f64 / bytes.len() as f64,
            lines.len(),
        );
        if std::env::var_os("LOGBOOM_PARTS").is_some() {
            parts.sort_by_key(|part| std::cmp::Reverse(part.stored));
            parts.iter().take(14).for_each(|part| println!("    {part:?}"));
        }
    }
}
