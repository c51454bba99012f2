//! Tests of `email`.

use super::*;
use crate::tests::inbox;

fn options(address: std::net::SocketAddr) -> SmtpOptions {
    SmtpOptions {
        host: address.ip().to_string(),
        port: address.port(),
        tls: SmtpTls::None,
        login: None,
        from: "Logboom <alerts@example.com>".to_owned(),
        extra_roots: Vec::new(),
        timeout: Duration::from_secs(5),
    }
}

fn mail(subject: &str, body: &str) -> Mail {
    Mail {
        subject: subject.to_owned(),
        body: body.to_owned(),
        sender_name: String::new(),
        unsubscribe_url: Some("http://h/?Action=Unsubscribe&SubscriptionArn=a".to_owned()),
        id: "0123-ab".to_owned(),
        timestamp_ms: 1_772_100_851_000,
    }
}

#[tokio::test]
async fn a_mail_arrives_with_its_headers() {
    let inbox = inbox::mail().await;
    let mailer = Mailer::new(&options(inbox.address)).unwrap();
    let long = format!("ümlaut {}\n.dot\nlast", "x".repeat(2000));
    assert_eq!(mailer.send("ops@example.com", &mail("ALARM: \"ü\"", &long)).await, Outcome::Accepted);
    let mails = inbox.mails.lock().unwrap();
    let (to, text) = &mails[0];
    assert_eq!(to, "ops@example.com");
    for line in [
        "From: Logboom <alerts@example.com>",
        "To: ops@example.com",
        "Message-ID: <0123-ab@example.com>",
        "Date: Thu, 26 Feb 2026 10:14:11 +0000",
        "List-Unsubscribe: <http://h/?Action=Unsubscribe&SubscriptionArn=a>",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.contains("Subject: ALARM: "));
    assert_eq!(inbox::body_of(text).trim_end(), long);
}

#[tokio::test]
async fn foreign_text_adds_no_header_and_no_recipient() {
    let inbox = inbox::mail().await;
    let mailer = Mailer::new(&options(inbox.address)).unwrap();
    let evil = "x\r\nBcc: victim@example.com\r\n\r\nbody";
    let mut sent = mail(evil, "a\r\n.\r\nMAIL FROM:<x@y.z>\r\nb");
    sent.sender_name = evil.to_owned();
    sent.id = evil.to_owned();
    sent.unsubscribe_url = Some(evil.to_owned());
    assert_eq!(mailer.send("ops@example.com", &sent).await, Outcome::Accepted);
    assert!(matches!(mailer.send("a@b.c>\r\nRCPT TO:<x@y.z", &sent).await, Outcome::Permanent(_)));
    let mails = inbox.mails.lock().unwrap();
    assert_eq!(mails.len(), 1, "one mail, one conversation");
    let (head, body) = mails[0].1.split_once("\n\n").unwrap();
    assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
    assert!(body.contains("MAIL FROM:<x@y.z>"), "the text stays text");
}

#[tokio::test]
async fn answers_are_sorted_into_retry_and_not() {
    let inbox = inbox::mail().await;
    let mailer = Mailer::new(&options(inbox.address)).unwrap();
    assert!(matches!(mailer.send("550@example.com", &mail("s", "b")).await, Outcome::Permanent(_)));
    assert!(matches!(mailer.send("450@example.com", &mail("s", "b")).await, Outcome::Retry(_)));
    assert!(matches!(mailer.send("535@example.com", &mail("s", "b")).await, Outcome::Retry(_)));
    let closed = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let mailer = Mailer::new(&options(closed)).unwrap();
    assert!(matches!(mailer.send("ops@example.com", &mail("s", "b")).await, Outcome::Retry(_)));
    // A server without STARTTLS is not spoken to in the clear.
    let strict = Mailer::new(&SmtpOptions { tls: SmtpTls::StartTls, ..options(inbox.address) }).unwrap();
    let before = inbox.mails.lock().unwrap().len();
    assert_ne!(strict.send("ops@example.com", &mail("s", "b")).await, Outcome::Accepted);
    assert_eq!(inbox.mails.lock().unwrap().len(), before);
}

#[tokio::test]
async fn tls_and_login() {
    let inbox = inbox::mail_tls().await;
    let login = |password: &str| Some(("u".to_owned(), password.to_owned()));
    let base = SmtpOptions {
        tls: SmtpTls::Implicit,
        login: login("p"),
        extra_roots: vec![inbox::CA_PEM.to_owned()],
        ..options(inbox.address)
    };
    let good = Mailer::new(&base).unwrap();
    assert_eq!(good.send("ops@example.com", &mail("s", "b")).await, Outcome::Accepted);
    let wrong = Mailer::new(&SmtpOptions { login: login("q"), ..base.clone() }).unwrap();
    assert!(matches!(wrong.send("ops@example.com", &mail("s", "b")).await, Outcome::Retry(_)));
    let untrusting = Mailer::new(&SmtpOptions { extra_roots: Vec::new(), ..base }).unwrap();
    assert!(matches!(untrusting.send("ops@example.com", &mail("s", "b")).await, Outcome::Retry(_)));
    assert_eq!(inbox.mails.lock().unwrap().len(), 1);
}

#[test]
fn options_are_checked() {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 25));
    let error = |options: &SmtpOptions| Mailer::new(options).err().unwrap();
    assert!(error(&SmtpOptions { from: "nobody".to_owned(), ..options(address) }).contains("nobody"));
    let roots = vec!["-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_owned()];
    assert!(
        error(&SmtpOptions { extra_roots: roots, tls: SmtpTls::Implicit, ..options(address) })
            .contains("PEM")
    );
    let secret = SmtpOptions { login: Some(("u".to_owned(), "hunter2".to_owned())), ..options(address) };
    assert!(!format!("{secret:?}").contains("hunter2"));
}

#[test]
fn an_alarm_mail_has_name_state_reason_and_lines() {
    let text = r#"{"AlarmName":"DatabaseErrorsAlarm","AlarmDescription":null,"AWSAccountId":"111111111111",
        "NewStateValue":"ALARM","OldStateValue":"OK","NewStateReason":"Threshold Crossed: 1 datapoint","Region":"US East (N. Virginia)",
        "StateChangeTime":"2026-02-26T10:14:11.000+0000","Trigger":{"MetricName":"DatabaseErrors","Threshold":5.0},
        "LogboomEvidence":[{"logGroup":"/myapp/errors","timestamp":0,"message":"[ERROR] Database connection timeout"}]}"#;
    let mut message = Message::plain("m", "arn:t", text, 0);
    let links = Links::new("http://127.0.0.1:4586/");
    let mail = notification(&message, text, "Ops", "arn:aws:sns:us-east-1:1:t:u", &links);
    assert_eq!((mail.subject.as_str(), mail.sender_name.as_str()), ("ALARM: DatabaseErrorsAlarm", "Ops"));
    for part in [
        "The alarm \"DatabaseErrorsAlarm\" in US East (N. Virginia) has entered the ALARM state",
        "Threshold Crossed: 1 datapoint",
        "1970-01-01T00:00:00.000Z /myapp/errors [ERROR] Database connection timeout\n",
        "- Metric name: DatabaseErrors\n",
        "- State change: OK -> ALARM\n",
        "http://127.0.0.1:4586/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:1:t:u\n",
    ] {
        assert!(mail.body.contains(part), "{part} in {}", mail.body);
    }
    assert!(!mail.body.contains("Description"));
    message.subject = Some("ALARM: \"x\" in US East (N. Virginia)".to_owned());
    assert_eq!(
        notification(&message, text, "", "a", &links).subject,
        "ALARM: \"x\" in US East (N. Virginia)"
    );
    message.subject = None;
    assert_eq!(notification(&message, "hi", "", "a", &links).subject, "AWS Notification Message");
}

#[test]
fn addresses() {
    for good in ["a@example.com", "first.last+tag@sub.example.com", "a@localhost"] {
        assert!(is_address(good), "{good}");
    }
    for bad in [
        "",
        "a",
        "a@",
        "@b",
        "a b@c.d",
        "a@b.c\n",
        "Name <a@b.c>",
        "a@b.c,d@e.f",
        &format!("{}@b.c", "a".repeat(300)),
    ] {
        assert!(!is_address(bad), "{bad}");
    }
}
