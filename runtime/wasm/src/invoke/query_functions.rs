//! `query-functions`: scalar functions of the query language, column by column. Pure.

use super::run::Export;
use super::{World, failed};
use crate::host::Host;
use crate::pure::Pure;
use crate::{Call, InvokeError, Invoked, Module, Role, Scalar, Signature};

type Evaluate<'a> = (&'a str, &'a [Vec<Scalar>], u32);
type Answer = (Result<Vec<Scalar>, String>,);

pub(crate) const WORLD: World = World {
    role: Role::QueryFunctions,
    interface: "query-functions",
    functions: &[
        ("describe", |f, c| f.typecheck::<(), (Vec<Signature>,)>(&c.instance_type())),
        ("evaluate", |f, c| f.typecheck::<Evaluate<'_>, Answer>(&c.instance_type())),
    ],
};

impl Host {
    /// The functions a module offers.
    pub async fn describe(&self, module: &Module, call: &Call) -> Invoked<Vec<Signature>> {
        let pure = Some(Pure::new(0, module.digest()));
        let export = Export { module, call, pure, world: &WORLD, function: "describe", bytes_in: 0 };
        self.export(export, (), |(found,): (Vec<Signature>,)| Ok((found, 0))).await
    }

    /// One value per row; `columns[parameter][row]`. `now_ms` is the clock of the query.
    pub async fn evaluate(
        &self,
        module: &Module,
        call: &Call,
        name: &str,
        columns: &[Vec<Scalar>],
        rows: u32,
        now_ms: i64,
    ) -> Invoked<Vec<Scalar>> {
        let pure = Some(Pure::new(now_ms, name));
        let bytes_in = columns.iter().flatten().map(scalar_bytes).sum();
        let export = Export { module, call, pure, world: &WORLD, function: "evaluate", bytes_in };
        self.export(export, (name, columns, rows), |(answer,): Answer| {
            let values = answer.map_err(failed)?;
            if values.len() != rows as usize {
                let message = format!("{name} gave {} values for {rows} rows.", values.len());
                return Err(InvokeError::Refused(message));
            }
            let bytes = values.iter().map(scalar_bytes).sum();
            Ok((values, bytes))
        })
        .await
    }
}

fn scalar_bytes(scalar: &Scalar) -> usize {
    if let Scalar::Text(text) = scalar { text.len() } else { size_of::<f64>() }
}
