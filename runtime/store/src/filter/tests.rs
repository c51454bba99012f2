//! Owns the tests of the filter: what it must not deny, and what it should.

use super::*;

fn filter(texts: &[&str]) -> Filter {
    let mut builder = Builder::new();
    texts.iter().for_each(|text| builder.add(text.as_bytes()));
    Filter::read(&builder.finish()).unwrap()
}

#[test]
fn absent_words_are_excluded() {
    let filter =
        filter(&["GET /users/4711 by u-0000623", "trace 4bf92f3577b34da6a3ce929d0e0e4736 done", "blk_77"]);
    for (needle, whole, may) in [
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736 done", false, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736", true, true),
        ("77b34da6a3ce929d0e0e47", false, true),
        ("race 4bf9", false, true),
        ("k_7", false, true),
        ("needle-538453d7", false, false),
        ("edle-538453d", false, false),
        ("4bf92f3577b34da6a3ce929d0e0e4737", true, false),
        (" 4bf92f3577b34da6a3ce929d0e0e4737 ", false, false),
        ("trace ", false, true),
        ("rac ", false, false),
        (" tra", false, true),
        (" unknown", false, false),
        ("blk_7", true, true),
        ("lk_77", true, false),
    ] {
        assert_eq!(filter.may_contain(needle.as_bytes(), whole), may, "{needle}");
    }
}
