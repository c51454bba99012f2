//! `lambda`: AWS Lambda's own contract, JSON in and JSON out.

use super::run::Export;
use super::{World, failed};
use crate::abi::LambdaError;
use crate::host::Host;
use crate::{Call, Invoked, Module, Role};

type Params<'a> = (&'a [u8],);
type Answer = (Result<Vec<u8>, LambdaError>,);

pub(crate) const WORLD: World = World {
    role: Role::Lambda,
    interface: "lambda",
    functions: &[("invoke", |f, c| f.typecheck::<Params<'_>, Answer>(&c.instance_type()))],
};

impl Host {
    /// The answer to one payload.
    pub async fn lambda(&self, module: &Module, call: &Call, payload: &[u8]) -> Invoked<Vec<u8>> {
        let export =
            Export { module, call, pure: None, world: &WORLD, function: "invoke", bytes_in: payload.len() };
        self.export(export, (payload,), |(answer,): Answer| {
            let answer = answer.map_err(|e| match e {
                LambdaError::FunctionError(message) => failed(message),
                LambdaError::BadInput(message) => failed(format!("bad input: {message}")),
            })?;
            let bytes = answer.len();
            Ok((answer, bytes))
        })
        .await
    }
}
