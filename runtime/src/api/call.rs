//! Owns what an operation is given: who calls, and the request to take its input from. Refuses to know
//! which operations there are.

use std::net::IpAddr;

use access::Identity;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wire::{Fault, Request, Response, Target};

use crate::doors;
use crate::records::Scope;

/// Who calls, and on whose resources.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The identity; an administrator of its account in open mode.
    pub(crate) identity: Identity,
    /// Region of the resources: the one in the credential scope.
    pub(crate) region: String,
    /// Id of this request, also in the answer's `x-amzn-RequestId`.
    pub(crate) request_id: String,
    /// Address of the client.
    pub(crate) source: IpAddr,
    /// Deliveries between the first cause and this request, as its header says.
    pub(crate) hop: u8,
    /// Whether the request came over TLS.
    pub(crate) secure: bool,
}

impl Caller {
    /// Account of the resources (12 digits).
    pub(crate) fn account(&self) -> &str {
        &self.identity.account
    }

    /// Account and region of the resources.
    pub(crate) fn scope(&self) -> Scope {
        Scope { account: self.account().to_owned(), region: self.region.clone() }
    }

    /// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE` of a resource of this caller's.
    pub(crate) fn arn_of(&self, service: &str, resource: impl std::fmt::Display) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account())
    }
}

/// A request for a served operation, admitted and not yet decoded.
pub(crate) struct Call {
    pub(super) target: Target,
    pub(super) request: Request,
    /// To be read with [`read`].
    pub(super) is_large: bool,
}

/// Reads something of a request. What is large may take a second: what else lives on the thread goes on elsewhere then.
pub(super) fn read<T>(is_large: bool, work: impl FnOnce() -> T) -> T {
    if is_large { tokio::task::block_in_place(work) } else { work() }
}

impl Call {
    /// The decoded, validated and authorized input.
    ///
    /// # Errors
    /// `wire`'s faults for what does not fit the model, and an access-denied fault.
    pub(crate) fn input<T: DeserializeOwned>(&self, caller: &Caller) -> Result<T, Fault> {
        let input = read(self.is_large, || wire::decode(&self.target, &self.request))?;
        doors::authorize(caller, &self.target, &input)?;
        serde_json::from_value(input).map_err(|error| {
            tracing::error!(operation = self.target.operation, %error, "a validated input does not fit its type");
            Fault::new("SerializationException", "The request does not fit its shape.")
        })
    }

    /// Writes the answer in the request's protocol.
    pub(crate) fn answer<T: Serialize>(&self, caller: &Caller, result: Result<T, Fault>) -> Response {
        let request_id = &caller.request_id;
        match result {
            // An output without members is no output: `null` is not an answer.
            Ok(_) if size_of::<T>() == 0 => {
                wire::encode(&self.target, request_id, Ok(Value::Object(Map::new())))
            }
            Ok(output) => wire::encode_typed(&self.target, request_id, &output),
            Err(fault) => wire::encode(&self.target, request_id, Err(fault)),
        }
    }

    /// The request as it came, for the operations that decode it themselves.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Authorizes an operation that decodes its request itself; `input` needs only what names the resource.
    ///
    /// # Errors
    /// An access-denied fault.
    pub(crate) fn authorize(&self, caller: &Caller, input: &Value) -> Result<(), Fault> {
        doors::authorize(caller, &self.target, input)
    }
}
