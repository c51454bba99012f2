//! The command line's own client: talks to a running server through the same public API as everybody.
//!
//! Owns the connection, the signature and the error text. Refuses to know what an answer means.

mod secure;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client as HttpClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::PathBuf;

use super::grants::Change;
use crate::clock::Clock;
use crate::functions::OUTPUT_PREFIX;

/// Where a server is and who is asking.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Endpoint {
    /// The server's address.
    #[arg(long, env = "LOGBOOM_ENDPOINT", default_value = "http://127.0.0.1:4586")]
    pub(crate) endpoint: String,
    /// Region to ask for.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub(crate) region: String,
    /// Access key id; any will do while the server has no keys.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "logboom")]
    pub(crate) access_key: String,
    /// Secret of the access key.
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "logboom", hide_env_values = true)]
    pub(crate) secret_key: String,
    /// File with the certificates to trust over https (PEM) instead of the public ones; AWS_CA_BUNDLE is
    /// understood too.
    #[arg(long, env = "LOGBOOM_CA", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    endpoint: Endpoint,
    /// Why there is none is said at the first call.
    http: Result<HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>, String>,
    clock: Clock,
}

/// What went wrong with a call.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Something on this side: a file, a build, a refusal by the user.
    Here(String),
    /// The server could not be reached, or broke off.
    Unreachable(String),
    /// The server answered with an error.
    Refused {
        /// The error code, for example `ResourceNotFoundException`.
        code: String,
        /// The server's sentence.
        message: String,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Here(why) | ClientError::Unreachable(why) => write!(f, "{why}"),
            ClientError::Refused { code, message } => write!(f, "{code}: {message}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl ClientError {
    /// True when the server answered with this error code.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, ClientError::Refused { code, .. } if code == wanted)
    }
}

/// One answer of the server.
struct Answer {
    status: u16,
    /// Where Lambda says which error it is.
    error_type: Option<String>,
    body: Bytes,
}

impl Client {
    /// A client of the server at `endpoint`.
    pub(crate) fn new(endpoint: Endpoint, clock: Clock) -> Client {
        let http = secure::connector(&endpoint);
        let http = http.map(|connector| HttpClient::builder(TokioExecutor::new()).build(connector));
        Client { endpoint, http, clock }
    }

    /// The server's address as it was given.
    pub(crate) fn url(&self) -> &str {
        &self.endpoint.endpoint
    }

    /// A CloudWatch Logs operation.
    pub(crate) async fn logs(&self, operation: &str, input: Value) -> Result<Value, ClientError> {
        self.json("logs", "1.1", &format!("Logs_20140328.{operation}"), input).await
    }

    /// A CloudWatch operation.
    pub(crate) async fn cloudwatch(&self, operation: &str, input: Value) -> Result<Value, ClientError> {
        self.json("monitoring", "1.0", &format!("GraniteServiceVersion20100801.{operation}"), input).await
    }

    /// An SNS operation; gives the XML text.
    pub(crate) async fn sns(&self, action: &str, fields: &[(&str, &str)]) -> Result<String, ClientError> {
        let mut form = format!("Action={action}&Version=2010-03-31");
        for (name, value) in fields {
            form.push_str(&format!("&{}={}", escape(name), escape(value)));
        }
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let answer = self.send("sns", Method::POST, "/", &[("content-type", kind)], form.into()).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status < 300 {
            return Ok(text);
        }
        let part = |tag| element(&text, tag).unwrap_or_default();
        Err(ClientError::Refused { code: part("Code"), message: part("Message") })
    }

    /// A Lambda operation with a JSON answer.
    pub(crate) async fn lambda(
        &self,
        method: Method,
        path: &str,
        input: Value,
    ) -> Result<Value, ClientError> {
        let body = if input.is_null() { Bytes::new() } else { input.to_string().into() };
        let answer = self.send("lambda", method, path, &[("content-type", "application/json")], body).await?;
        parsed(&answer)
    }

    /// Invokes a function; gives the payload of the answer.
    pub(crate) async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, ClientError> {
        let path = format!("/2015-03-31/functions/{}/invocations", escape(function));
        let answer = self.send("lambda", Method::POST, &path, &[], payload).await?;
        if answer.status < 300 { Ok(answer.body) } else { Err(refusal(&answer)) }
    }

    /// Creates the function, or gives an existing one this code and these settings.
    pub(crate) async fn deploy(&self, name: &str, code: &[u8], settings: Value) -> Result<(), ClientError> {
        let zip = BASE64.encode(code);
        let mut input = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": "arn:aws:iam::000000000000:role/logboom", "Code": {"ZipFile": zip},
        });
        if let (Some(all), Some(more)) = (input.as_object_mut(), settings.as_object()) {
            all.extend(more.clone());
        }
        match self.lambda(Method::POST, "/2015-03-31/functions", input).await {
            Err(e) if e.is("ResourceConflictException") => self.redeploy(name, &zip, settings).await?,
            other => drop(other?),
        }
        self.active(name).await
    }

    /// Gives an existing function this code, these settings and these grants. The new code finds its grants, and
    /// those that it has no more go when it runs; if it does not come to that, the grants are as they were.
    async fn redeploy(&self, name: &str, zip: &str, mut settings: Value) -> Result<(), ClientError> {
        let path = format!("/2015-03-31/functions/{}", escape(name));
        let function = self.lambda(Method::GET, &path, Value::Null).await?;
        let wanted = settings.as_object_mut().and_then(|all| all.remove("Tags")).unwrap_or_default();
        let arn = function["Configuration"]["FunctionArn"].as_str().unwrap_or_default();
        let change = Change::of(&function["Tags"], &wanted);
        self.tag(arn, &change.set).await?;
        let swapped = async {
            self.lambda(Method::PUT, &format!("{path}/code"), json!({"ZipFile": zip})).await?;
            self.active(name).await?;
            self.lambda(Method::PUT, &format!("{path}/configuration"), settings).await
        };
        match swapped.await {
            Ok(_) => self.untag(arn, &change.removed).await,
            Err(error) => {
                let back = Change::of(&wanted, &function["Tags"]);
                self.tag(arn, &back.set).await?;
                self.untag(arn, &back.removed).await?;
                Err(error)
            }
        }
    }

    async fn tag(&self, arn: &str, tags: &Map<String, Value>) -> Result<(), ClientError> {
        if tags.is_empty() {
            return Ok(());
        }
        let path = format!("/2017-03-31/tags/{}", escape(arn));
        self.lambda(Method::POST, &path, json!({ "Tags": tags })).await.map(drop)
    }

    async fn untag(&self, arn: &str, keys: &[String]) -> Result<(), ClientError> {
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = keys.iter().map(|key| format!("tagKeys={}", escape(key))).collect();
        let path = format!("/2017-03-31/tags/{}?{}", escape(arn), keys.join("&"));
        self.lambda(Method::DELETE, &path, Value::Null).await.map(drop)
    }

    /// The tags of a function; `None` if there is no such function.
    pub(crate) async fn tags(&self, name: &str) -> Result<Option<Value>, ClientError> {
        let path = format!("/2015-03-31/functions/{}", escape(name));
        match self.lambda(Method::GET, &path, Value::Null).await {
            Ok(mut function) => Ok(Some(function["Tags"].take())),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The configuration of a function.
    pub(crate) async fn function(&self, name: &str) -> Result<Value, ClientError> {
        let path = format!("/2015-03-31/functions/{}/configuration", escape(name));
        self.lambda(Method::GET, &path, Value::Null).await
    }

    /// The log group of a function, made if the function has not written anything yet: it can be followed then.
    pub(crate) async fn own_group(&self, function: &str) -> Result<String, ClientError> {
        let group = format!("{OUTPUT_PREFIX}{function}");
        match self.logs("CreateLogGroup", json!({"logGroupName": group})).await {
            Err(error) if !error.is("ResourceAlreadyExistsException") => Err(error),
            _ => Ok(group),
        }
    }

    /// Waits until the server has compiled the function.
    async fn active(&self, name: &str) -> Result<(), ClientError> {
        loop {
            let is = self.function(name).await?;
            let busy = is["State"] == "Pending" || is["LastUpdateStatus"] == "InProgress";
            if is["State"] == "Failed" || is["LastUpdateStatus"] == "Failed" {
                let reason = is["LastUpdateStatusReason"].as_str().or(is["StateReason"].as_str());
                let message = reason.unwrap_or("no reason given").to_owned();
                return Err(ClientError::Refused { code: "Failed".to_owned(), message });
            }
            if !busy {
                return Ok(());
            }
            self.clock.sleep(50).await;
        }
    }

    async fn json(
        &self,
        service: &str,
        version: &str,
        target: &str,
        input: Value,
    ) -> Result<Value, ClientError> {
        let kind = format!("application/x-amz-json-{version}");
        let headers = [("content-type", kind.as_str()), ("x-amz-target", target)];
        let answer = self.send(service, Method::POST, "/", &headers, input.to_string().into()).await?;
        parsed(&answer)
    }

    /// An own operation whose answer comes bit by bit.
    pub(crate) async fn stream(&self, path: &str, body: Bytes) -> Result<Incoming, ClientError> {
        let headers = [("content-type", "application/json")];
        let answer = self.ask("logs", Method::POST, path, &headers, body).await?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(refusal(&self.whole(path, answer).await?))
    }

    /// An own operation with a JSON answer, signed for `service`.
    pub(crate) async fn own(
        &self,
        service: &str,
        method: Method,
        path: &str,
        input: Value,
    ) -> Result<Value, ClientError> {
        let body = if input.is_null() { Bytes::new() } else { input.to_string().into() };
        parsed(&self.send(service, method, path, &[("content-type", "application/json")], body).await?)
    }

    async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let answer = self.ask(service, method, path, headers, body).await?;
        self.whole(path, answer).await
    }

    async fn whole(&self, path: &str, answer: Response<Incoming>) -> Result<Answer, ClientError> {
        let status = answer.status().as_u16();
        let error_type = answer.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let error_type = error_type.map(str::to_owned);
        let bad = |e| ClientError::Unreachable(format!("{}{path}: {e}", self.url().trim_end_matches('/')));
        let body = answer.into_body().collect().await.map_err(bad)?.to_bytes();
        Ok(Answer { status, error_type, body })
    }

    async fn ask(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let url = format!("{}{path}", self.endpoint.endpoint.trim_end_matches('/'));
        let bad = |e: &dyn fmt::Display| ClientError::Unreachable(format!("{url}: {e}"));
        let uri: Uri = url.parse().map_err(|e| bad(&e))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut signed = wire::Request {
            method: method.as_str().to_owned(),
            uri: path.to_owned(),
            headers: vec![("host".to_owned(), host)],
            body,
        };
        signed.headers.extend(headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let signer = wire::sign::Signer {
            access_key: self.endpoint.access_key.clone(),
            secret: self.endpoint.secret_key.clone(),
            region: self.endpoint.region.clone(),
            service: service.to_owned(),
        };
        signer.sign(&mut signed, self.clock.now_ms()).map_err(|e| bad(&e))?;
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in &signed.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(signed.body)).map_err(|e| bad(&e))?;
        let http = self.http.as_ref().map_err(|e| ClientError::Unreachable(e.clone()))?;
        http.request(request).await.map_err(|e| {
            if let Some(reason) = secure::refusal(&e) {
                return bad(&reason);
            }
            bad(&format!(
                "no answer ({e}); is `logboom serve` running there? --endpoint names another address"
            ))
        })
    }
}

fn parsed(answer: &Answer) -> Result<Value, ClientError> {
    if answer.status >= 300 {
        return Err(refusal(answer));
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body).map_err(|e| ClientError::Unreachable(format!("not JSON: {e}")))
}

fn refusal(answer: &Answer) -> ClientError {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let text = |keys: &[&str]| keys.iter().find_map(|k| value[*k].as_str()).unwrap_or_default().to_owned();
    let mut code = answer.error_type.clone().unwrap_or_else(|| text(&["__type"]));
    if code.is_empty() {
        code = format!("HTTP {}", answer.status);
    }
    let mut message = text(&["message", "Message"]);
    if message.is_empty() {
        message = String::from_utf8_lossy(&answer.body).into_owned();
    }
    ClientError::Refused { code, message }
}

/// The text of the first element with this tag in a flat XML answer.
pub(crate) fn element(xml: &str, tag: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
    let (text, _) = rest.split_once(&format!("</{tag}>"))?;
    Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(b as char);
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_all_but_unreserved_characters() {
        assert_eq!(escape("a-b_c.d~e/ä +"), "a-b_c.d~e%2F%C3%A4%20%2B");
    }

    #[test]
    fn reads_an_element_of_a_flat_answer() {
        let xml = "<R><TopicArn>arn:aws:sns:x</TopicArn><M>a &amp; b</M></R>";
        assert_eq!(element(xml, "TopicArn").as_deref(), Some("arn:aws:sns:x"));
        assert_eq!(element(xml, "M").as_deref(), Some("a & b"));
        assert_eq!(element(xml, "None"), None);
    }
}
