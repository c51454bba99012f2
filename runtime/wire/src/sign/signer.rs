//! The other side of Signature Version 4: signs a request, for the product's own command line. Knows the algorithm;
//! keys and the time come from the caller.

use super::{ALGORITHM, Authorization, Credential, canonical_request, signature};
use crate::request::Request;
use crate::timestamp;

/// Keys and scope of a signature.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The access key id.
    pub access_key: String,
    /// Its secret.
    pub secret: String,
    /// The region of the credential scope.
    pub region: String,
    /// The signing name of the service, such as `logs` or `monitoring`.
    pub service: String,
}

impl Signer {
    /// Adds `x-amz-date` and `authorization`; every header the request has by then is signed.
    ///
    /// # Errors
    /// A sentence, where the request has no `host` header.
    pub fn sign(&self, request: &mut Request, now_ms: i64) -> Result<(), String> {
        let stamp = timestamp::basic(now_ms);
        request.headers.push(("x-amz-date".to_owned(), stamp.clone()));
        let credential = Credential {
            access_key: self.access_key.clone(),
            date: stamp.chars().take(8).collect(),
            region: self.region.clone(),
            service: self.service.clone(),
        };
        let mut signed_headers: Vec<String> = request.headers.iter().map(|(name, _)| name.clone()).collect();
        signed_headers.sort();
        signed_headers.dedup();
        let names = signed_headers.join(";");
        let parsed = Authorization { credential, signed_headers, signature: String::new() };
        let canonical = canonical_request(request, &parsed, false)?;
        let proof = signature(&self.secret, &parsed.credential, &stamp, &canonical);
        let (key, scope) = (&self.access_key, parsed.credential.scope());
        request.headers.push((
            "authorization".to_owned(),
            format!("{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={proof}"),
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify;
    use crate::sign::verify;

    #[test]
    fn what_is_signed_here_verifies_here_and_nothing_else_does() {
        let signer = Signer {
            access_key: "AK".to_owned(),
            secret: "top".to_owned(),
            region: "eu-west-1".to_owned(),
            service: "logs".to_owned(),
        };
        let now = 1_700_000_000_000;
        let mut request = Request {
            method: "POST".to_owned(),
            uri: "/".to_owned(),
            headers: vec![
                ("host".to_owned(), "127.0.0.1:1".to_owned()),
                ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target".to_owned(), "Logs_20140328.DescribeLogGroups".to_owned()),
            ],
            body: "{}".into(),
        };
        signer.sign(&mut request, now).expect("the request has a host");
        let target = identify(&request).expect("a Logs request");
        assert!(verify(&request, &target, |_| Some("top".to_owned()), now).is_ok());
        assert!(verify(&request, &target, |_| Some("other".to_owned()), now).is_err());
        request.body = "{ }".into();
        assert!(verify(&request, &target, |_| Some("top".to_owned()), now).is_err());
    }
}
