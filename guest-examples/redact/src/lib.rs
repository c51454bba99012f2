//! Masks e-mail addresses, card numbers (checked with Luhn), IPv4 addresses and bearer tokens.
//! Attach it to a log group as its inline transformer: what it returns is what is stored.

use logboom_sdk::prelude::*;

struct Redact;

impl Filter for Redact {
    fn verdict(_: &Context, event: &Event<'_>) -> Verdict {
        redact(event.message).map_or(Verdict::Keep, Verdict::Replace)
    }
}

logboom_sdk::export!(Redact: filter);

/// The text with everything personal masked, or `None` if there is nothing to mask.
fn redact(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        let starts_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        let rest = &bytes[at..];
        let found =
            if starts_word { bearer(rest).or(card(rest)).or(ipv4(rest)).or(email(rest)) } else { None };
        if let Some((skip, length, mask)) = found {
            out.push_str(&text[copied..at + skip]);
            out.push_str(mask);
            at += skip + length;
            copied = at;
        } else {
            at += 1;
        }
    }
    (copied > 0).then(|| out + &text[copied..])
}

/// What is kept in front, how many bytes are masked, and by what.
type Found = Option<(usize, usize, &'static str)>;

fn run(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !allowed(*b)).unwrap_or(bytes.len())
}

fn bearer(bytes: &[u8]) -> Found {
    let token = bytes.get(..7).filter(|p| p.eq_ignore_ascii_case(b"bearer ")).map(|_| &bytes[7..])?;
    let length = run(token, |b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
    (length >= 8).then_some((7, length, "[token]"))
}

fn card(bytes: &[u8]) -> Found {
    let end = run(bytes, |b| b.is_ascii_digit() || b == b' ' || b == b'-');
    let length = bytes[..end].iter().rposition(u8::is_ascii_digit)? + 1;
    let digits: Vec<u32> =
        bytes[..length].iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0')).collect();
    let doubled = |(i, d): (usize, &u32)| if i % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { *d };
    let luhn = digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0;
    (bytes[0].is_ascii_digit() && (13..=19).contains(&digits.len()) && luhn).then_some((0, length, "[card]"))
}

fn ipv4(bytes: &[u8]) -> Found {
    let length = run(bytes, |b| b.is_ascii_digit() || b == b'.');
    let text = std::str::from_utf8(&bytes[..length]).ok()?.trim_end_matches('.');
    text.parse::<std::net::Ipv4Addr>().is_ok().then_some((0, text.len(), "[ip]"))
}

fn email(bytes: &[u8]) -> Found {
    let local = run(bytes, |b| b.is_ascii_alphanumeric() || b"._%+-".contains(&b));
    let domain = bytes.get(local..).filter(|d| local > 0 && d.first() == Some(&b'@')).map(|d| &d[1..])?;
    let end = run(domain, |b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    let name = domain[..end].trim_ascii_end().strip_suffix(b".").unwrap_or(&domain[..end]);
    name.contains(&b'.').then_some((0, local + 1 + name.len(), "[email]"))
}

#[cfg(test)]
mod tests;
