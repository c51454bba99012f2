//! Tests of certificates: made, kept, renewed; given ones refused in words.

use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertificateParams, KeyPair};

use super::*;

const NOW_MS: i64 = 1_795_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn names(more: &[&str]) -> Vec<String> {
    let more: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();
    authority::names("127.0.0.1:0", &more)
}

#[test]
fn the_names_are_this_machine_s_the_listener_s_and_those_asked_for() {
    let expected = "127.0.0.1 ::1 localhost stream-localhost streaming-localhost";
    assert_eq!(names(&[]).join(" "), expected);
    let listened = authority::names("192.168.1.5:4586", &["logs.example".to_owned()]).join(" ");
    let expected = "127.0.0.1 192.168.1.5 ::1 localhost logs.example stream-localhost stream-logs.example \
                    streaming-localhost streaming-logs.example";
    assert_eq!(listened, expected);
    assert_eq!(authority::names("0.0.0.0:1", &[]), names(&[]), "no name is all addresses");
}

#[test]
fn an_authority_is_made_once_and_its_certificate_renewed_when_it_has_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("tls");
    let make =
        |names: &[String], now_ms| authority::identity(&folder, names, now_ms).unwrap().chain[0].clone();
    let first = make(&names(&[]), NOW_MS);
    for file in ["ca-key.pem", "server.pem"] {
        let mode = std::fs::metadata(folder.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let authority = std::fs::read(folder.join("ca.pem")).unwrap();
    assert_eq!(make(&names(&[]), NOW_MS + 300 * DAY_MS), first, "still good");
    let second = make(&names(&[]), NOW_MS + 380 * DAY_MS);
    assert_ne!(second, first, "near its end");
    let third = make(&names(&["logs.example"]), NOW_MS + 380 * DAY_MS);
    assert_ne!(third, second, "another name");
    assert_eq!(make(&names(&[]), NOW_MS + 380 * DAY_MS), third, "it holds for fewer names too");
    std::fs::write(folder.join("server.pem"), "rubbish").unwrap();
    assert_ne!(make(&names(&[]), NOW_MS + 380 * DAY_MS), third);
    assert_eq!(std::fs::read(folder.join("ca.pem")).unwrap(), authority, "clients keep their file");
}

#[test]
fn a_wildcard_is_a_name_and_what_is_none_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let make = |more: &[&str]| authority::identity(folder.path(), &names(more), NOW_MS);
    let made = make(&["*.example.com"]).unwrap().chain[0].clone();
    assert_eq!(make(&["*.example.com"]).unwrap().chain[0], made, "it is good at the next start");
    for wrong in ["*", "*.com", "a b"] {
        let error = make(&["*.example.com", wrong]).err().unwrap();
        let said = format!("no client takes a certificate for {wrong}");
        assert!(error.starts_with(&said) && !error.contains("localhost"), "{error}");
    }
}

#[test]
fn an_authority_without_its_key_or_with_another_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let make = || authority::identity(folder, &names(&[]), NOW_MS);
    make().unwrap();
    let other = KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(folder.join("ca-key.pem"), other).unwrap();
    std::fs::remove_file(folder.join("server.pem")).unwrap();
    let error = make().err().unwrap();
    assert!(error.contains("is not the certificate of the key in") && error.contains("ca.pem"), "{error}");
    std::fs::remove_file(folder.join("ca-key.pem")).unwrap();
    let error = make().err().unwrap();
    assert!(error.contains("ca-key.pem is missing"), "{error}");
}

#[test]
fn wrong_files_are_refused_in_a_sentence_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let files = [
        ("c.pem", certificate.pem()),
        ("k.pem", key.serialize_pem()),
        ("other.pem", KeyPair::generate().unwrap().serialize_pem()),
        ("empty.pem", String::new()),
        ("cut.pem", certificate.pem()[..200].to_owned()),
        (
            "locked.pem",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned(),
        ),
        ("bad.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned()),
        ("badc.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
    ];
    for (name, text) in &files {
        std::fs::write(path(name), text).unwrap();
    }
    let read = |certificate: &str, key: &str| {
        let origin = Origin::Given { certificate: path(certificate), key: path(key) };
        server_config(&origin, &Clock::real()).map(drop)
    };
    assert_eq!(read("c.pem", "k.pem"), Ok(()));
    let cases = [
        ("none.pem", "k.pem", "cannot read the TLS certificate file", "none.pem"),
        ("c.pem", "none.pem", "cannot read the TLS private key file", "none.pem"),
        ("c.pem", "other.pem", "is not the key of the certificate", "other.pem"),
        ("empty.pem", "k.pem", "holds no certificate", "empty.pem"),
        ("k.pem", "k.pem", "holds no certificate", "k.pem"),
        ("c.pem", "c.pem", "holds no private key", "c.pem"),
        ("cut.pem", "k.pem", "is not a PEM file", "cut.pem"),
        ("c.pem", "locked.pem", "is encrypted", "locked.pem"),
        ("c.pem", "bad.pem", "cannot be used", "bad.pem"),
        ("badc.pem", "k.pem", "cannot be used", "badc.pem"),
    ];
    for (certificate, key, reason, named) in cases {
        let error = read(certificate, key).unwrap_err();
        assert!(error.contains(reason) && error.contains(named), "{certificate}, {key}: {error}");
    }
}
