//! A plain program: reads JSON on stdin, answers on stdout, says how it went with its exit code.

use std::io::Read;

fn main() {
    let mut payload = String::new();
    if std::io::stdin().read_to_string(&mut payload).is_err() {
        std::process::exit(2);
    }
    eprintln!("got {} bytes", payload.len());
    match std::env::var("behaviour").as_deref() {
        Ok("fail") => {
            eprintln!("it went wrong");
            std::process::exit(1);
        }
        Ok("loop") => loop {
            std::hint::black_box(0);
        },
        Ok("huge") => println!("{}", "x".repeat(7 << 20)),
        _ => println!("{{\"echo\":{payload}}}"),
    }
}
