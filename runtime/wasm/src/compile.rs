//! From bytes to a [`Module`]: validation, code, and the two checks of a deploy: it exports
//! something that can be run, and it imports nothing that could never be granted. An import is not
//! a grant: `wasi:*` and `logboom:extension/*` always link, and deny at the call.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::types::{Component as ComponentType, ComponentItem};
use wasmtime::component::{Component, Linker, ResourceType};

use crate::guest::Guest;
use crate::host::Host;
use crate::invoke::{WORLDS, World};
use crate::module::{Artifact, Code, Inner};
use crate::outline::check_outline;
use crate::package::is_wasm;
use crate::{CompileError, Module, Role};

/// The package of our worlds, and the version this host speaks.
const PACKAGE: &str = "logboom:extension/";
const VERSION: &str = "@0.1.0";

/// The interface of a program, and of a web handler; any 0.2 version.
pub(crate) const CLI_RUN: &str = "wasi:cli/run@0.2";
pub(crate) const HTTP_HANDLER: &str = "wasi:http/incoming-handler@0.2";

/// What a core module imports from.
const PREVIEW1: &str = "wasi_snapshot_preview1";

/// Names an error lists, and characters of a foreign message it keeps.
const LISTED: usize = 10;
const MESSAGE: usize = 600;

impl Host {
    /// Compiles a component or a preview-1 module. Takes long (60 ms for a small Rust guest,
    /// seconds for Python): run it off the request path.
    ///
    /// # Errors
    /// [`CompileError`] with a sentence that says what was found and what would do.
    pub fn compile(&self, wasm: &[u8]) -> Result<Module, CompileError> {
        let limit = self.limits().wasm_bytes;
        if !is_wasm(wasm) {
            return Err(CompileError::NotWasm(
                "The code is not WebAssembly: it does not begin with \\0asm.".to_owned(),
            ));
        }
        if wasm.len() > limit {
            return Err(CompileError::TooLarge(format!(
                "The module has {} bytes; {limit} are allowed.",
                wasm.len()
            )));
        }
        check_outline(wasm, self.limits().imports)?;
        let artifact = match wasm.get(4..8) {
            Some([1, 0, 0, 0]) => Artifact::Module(
                wasmtime::Module::from_binary(self.engine(), wasm).map_err(|e| invalid("module", &e))?,
            ),
            _ => Artifact::Component(
                Component::from_binary(self.engine(), wasm).map_err(|e| invalid("component", &e))?,
            ),
        };
        let digest = Sha256::digest(wasm).iter().map(|b| format!("{b:02x}")).collect();
        self.assemble(digest, wasm.len(), &artifact)
    }

    /// The checks of a deploy, and what a call needs.
    pub(crate) fn assemble(
        &self,
        digest: String,
        wasm_bytes: usize,
        artifact: &Artifact,
    ) -> Result<Module, CompileError> {
        let (roles, imports, code) = match artifact {
            Artifact::Component(component) => self.component(component)?,
            Artifact::Module(module) => self.core(module)?,
        };
        Ok(Module(Arc::new(Inner { digest, wasm_bytes, roles, imports, code })))
    }

    fn component(&self, component: &Component) -> Result<(Vec<Role>, Vec<String>, Code), CompileError> {
        let ty = component.component_type();
        let engine = self.engine();
        let imports: Vec<String> = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
        imports.iter().try_for_each(|name| check_import(name))?;
        let roles = component_roles(engine, &ty)?;
        let mut linker = self.component_linker().clone();
        deny_at_the_call(&mut linker, engine, &ty).map_err(|e| import(&e))?;
        let pre = linker.instantiate_pre(component).map_err(|e| import(&e))?;
        let mut exports = BTreeMap::new();
        for world in WORLDS.iter().filter(|w| roles.contains(&w.role)) {
            let interface = component.get_export_index(None, interface_name(world).as_str());
            for (function, _) in world.functions {
                if let Some(index) = interface.and_then(|i| component.get_export_index(Some(&i), function)) {
                    exports.insert((world.interface, *function), index);
                }
            }
        }
        for (prefix, function) in [(CLI_RUN, "run"), (HTTP_HANDLER, "handle")] {
            let name = ty.exports(engine).find(|(name, _)| name.starts_with(prefix));
            let interface = name.and_then(|(name, _)| component.get_export_index(None, name));
            if let Some(index) = interface.and_then(|i| component.get_export_index(Some(&i), function)) {
                exports.insert((prefix, function), index);
            }
        }
        Ok((roles, imports, Code::Component { pre, exports }))
    }

    fn core(&self, module: &wasmtime::Module) -> Result<(Vec<Role>, Vec<String>, Code), CompileError> {
        let mut imports = Vec::new();
        for item in module.imports() {
            if item.module() != PREVIEW1 {
                return Err(CompileError::Import(format!(
                    "The module imports {}.{}, which does not exist here; a core module may import {PREVIEW1} only.",
                    item.module(),
                    item.name()
                )));
            }
            imports.push(format!("{PREVIEW1}.{}", item.name()));
        }
        if module.get_export("_start").is_none_or(|e| e.func().is_none()) {
            let found = module.exports().map(|e| e.name().to_owned());
            return Err(nothing_suitable("a core module", found.collect()));
        }
        let pre = self.core_linker().instantiate_pre(module).map_err(|e| import(&e))?;
        Ok((vec![Role::Command], imports, Code::Core(pre)))
    }
}

/// The full name of a world's interface.
fn interface_name(world: &World) -> String {
    format!("{PACKAGE}{}{VERSION}", world.interface)
}

fn component_roles(engine: &Engine, ty: &ComponentType) -> Result<Vec<Role>, CompileError> {
    let mut roles = Vec::new();
    for world in WORLDS {
        let name = interface_name(world);
        let Some(export) = ty.get_export(engine, &name) else { continue };
        let ComponentItem::ComponentInstance(instance) = export.ty else { continue };
        for (function, check) in world.functions {
            let Some(ComponentItem::ComponentFunc(found)) =
                instance.get_export(engine, function).map(|e| e.ty)
            else {
                return Err(CompileError::NothingSuitable(format!(
                    "{name} is exported without its function {function}."
                )));
            };
            check(&found, ty).map_err(|e| {
                CompileError::NothingSuitable(format!(
                    "{name} has another shape than this server knows, so it has to be built anew: {}",
                    cut(&format!("{e:#}"))
                ))
            })?;
        }
        roles.push(world.role);
    }
    let exported = |prefix: &str| ty.exports(engine).any(|(name, _)| name.starts_with(prefix));
    if exported(CLI_RUN) {
        roles.push(Role::Command);
    }
    if exported(HTTP_HANDLER) {
        roles.push(Role::Http);
    }
    if roles.is_empty() {
        let found = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
        return Err(nothing_suitable("a component", found));
    }
    Ok(roles)
}

/// Whether an import can be linked at all.
fn check_import(name: &str) -> Result<(), CompileError> {
    let known = if let Some(interface) = name.strip_prefix(PACKAGE) {
        interface.strip_suffix(VERSION).is_some_and(|interface| INTERFACES.contains(&interface))
    } else {
        name.starts_with("wasi:")
            && name.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."))
    };
    if known {
        return Ok(());
    }
    Err(CompileError::Import(format!(
        "The component imports {name}, which is not granted: there are wasi:*@0.2 and {PACKAGE}{{{}}}{VERSION}.",
        INTERFACES.join(",")
    )))
}

/// Links the wasi packages this host has nothing behind (wasi:keyvalue and the like): their functions fail
/// when they are called. Some toolchains import everything whether it is used or not.
fn deny_at_the_call(linker: &mut Linker<Guest>, engine: &Engine, ty: &ComponentType) -> wasmtime::Result<()> {
    // A resource that an earlier import brought is an alias here and must not be defined again.
    let mut resources: Vec<ResourceType> = Vec::new();
    for (interface, item) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        let mut denied = if is_served(interface) { None } else { Some(linker.instance(interface)?) };
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => {
                    let message = format!("{interface}.{name} is not served here");
                    if let Some(denied) = &mut denied {
                        denied
                            .func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(message.clone())))?;
                    }
                }
                ComponentItem::Resource(resource) if !resources.contains(&resource) => {
                    resources.push(resource);
                    if let Some(denied) = &mut denied {
                        denied.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether the linker has this interface, or should have: then its absence is an error.
fn is_served(interface: &str) -> bool {
    let package = interface.strip_prefix("wasi:").and_then(|rest| rest.split('/').next());
    package.is_none_or(|package| SERVED.contains(&package))
}

/// The wasi packages behind which there is something.
const SERVED: &[&str] = &["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// What a guest may import from our package.
const INTERFACES: &[&str] =
    &["types", "log", "config", "secrets", "state", "notify", "metrics", "log-sink", "invocation"];

fn nothing_suitable(what: &str, mut found: Vec<String>) -> CompileError {
    let more = found.len().saturating_sub(LISTED);
    found.truncate(LISTED);
    let mut found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    if more > 0 {
        found.push_str(&format!(" and {more} more"));
    }
    let worlds: Vec<&str> = WORLDS.iter().map(|w| w.interface).collect();
    CompileError::NothingSuitable(format!(
        "The code is {what} that exports {found}: nothing Logboom can run. It must export an interface of \
         {PACKAGE}{{{}}}{VERSION}, be a program (wasi:cli/run, or a core module with _start), or a web handler (wasi:http/incoming-handler).",
        worlds.join(",")
    ))
}

fn invalid(what: &str, error: &wasmtime::Error) -> CompileError {
    CompileError::Invalid(format!(
        "The code is not a valid WebAssembly {what}: {}",
        cut(&format!("{error:#}"))
    ))
}

fn import(error: &wasmtime::Error) -> CompileError {
    CompileError::Import(format!("An import does not fit: {}", cut(&format!("{error:#}"))))
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE)]
}
