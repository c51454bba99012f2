//! Tests of the configuration: what lies over what, and that nothing unknown passes.

use super::*;

fn load(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut overlay = Overlay::default();
    for (path, value) in flags {
        overlay.set(path, *value);
    }
    Config::from_sources(file, variables, &overlay).map_err(|error| error.to_string())
}

#[test]
fn flags_lie_over_environment_over_file_over_defaults() {
    let file = "listen = '127.0.0.1:1'\naccount = '111111111111'\n[smtp]\nhost = 'a'\nfrom = 'x@y'";
    let variables =
        [("LOGBOOM_ACCOUNT", "222222222222"), ("LOGBOOM_SMTP_HOST", "b"), ("LOGBOOM_AWS_QUOTAS", "true")];
    let config = load(file, &variables, &[("account", "333333333333")]).unwrap();
    assert_eq!((config.listen.as_str(), config.account.as_str()), ("127.0.0.1:1", "333333333333"));
    assert_eq!(config.smtp.unwrap().host, "b");
    assert!(config.aws_quotas && !config.allow_reset);
    assert_eq!(load("", &[], &[]).unwrap().listen, "127.0.0.1:4586");
}

#[test]
fn keys_come_from_both_and_their_secrets_are_not_shown() {
    let file = "[[keys]]\nid = 'AKIA1'\nsecret = 'hush'\naccount = '111111111111'";
    let config = load(file, &[("LOGBOOM_KEYS", "AKIA2:whisper,AKIA3:x:y")], &[]).unwrap();
    let ids: Vec<_> = config.keys.iter().map(|key| (key.id.as_str(), key.secret.as_str())).collect();
    assert_eq!(ids, [("AKIA1", "hush"), ("AKIA2", "whisper"), ("AKIA3", "x:y")]);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hush") && !shown.contains("whisper"), "{shown}");
    let policies = "[[keys]]\nid = 'A'\nsecret = 's'\npolicies = ['{']";
    assert!(load(policies, &[], &[]).unwrap_err().contains('A'));
    let error = load("", &[("LOGBOOM_KEYS", "no-colon-here")], &[]).unwrap_err();
    assert!(!error.contains("no-colon-here"), "{error}");
}

#[test]
fn what_is_not_a_setting_is_named() {
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
    let cases: [Case; 10] = [
        ("lissten = 'x'", &[], "lissten"),
        ("[smtp]\nhost='a'\nfrom='b'\nfoo=1", &[], "foo"),
        ("[[keys]]\nid='a'\nsecret='b'\npolcy=''", &[], "polcy"),
        ("[limits]\nno_such_limit = 1", &[], "no_such_limit"),
        ("", &[("LOGBOOM_KEY", "a:b")], "LOGBOOM_KEY"),
        ("", &[("LOGBOOM_AWS_QUOTAS", "maybe")], "maybe"),
        ("account = '12'", &[], "twelve digits"),
        ("listen = 4586", &[], "listen"),
        ("[kms.'my key']\nkey_file = 'k'", &[], "my key"),
        ("[kms.'arn:aws:kms:r:000000000000:key/k']\nkey_fil = 'k'", &[], "key_fil"),
    ];
    for (file, variables, expected) in cases {
        let error = load(file, variables, &[]).unwrap_err();
        assert!(error.contains(expected), "{file:?}: {error}");
    }
    let config = load("", &[("LOGBOOM_KEY_FILE", "/k")], &[]).unwrap();
    assert_eq!(config.key_file.as_deref(), Some(Path::new("/k")));
    load("", &[("LOGBOOM_LOG", "debug"), ("HOME", "/root")], &[]).unwrap();
}
