//! What WebAssembly shows of itself before anything is compiled: sections that are whole, and how many things it imports.
//! So an upload that can never be a function is refused while the client waits, and leaves nothing behind.

use wasmparser::{Parser, Payload};

use crate::CompileError;

/// The most things one component or module may import.
pub const MAX_IMPORTS: usize = 1_000;

/// The deepest that components and modules may stand in one another; compilers nest a few.
const MAX_DEPTH: usize = 100;

/// Looks over a component or module as far as its sections go; what is in functions is for the compiler to see.
///
/// # Errors
/// [`CompileError`] with a sentence that says what is broken, or that there is too much of something.
pub fn check_outline(wasm: &[u8], imports_max: usize) -> Result<(), CompileError> {
    let (mut imports, mut depth) = (0_usize, 0_usize);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| broken(&error))? {
            Payload::ImportSection(section) if depth == 0 => {
                // One more than may be is enough to know.
                for import in section.into_imports().take(imports_max + 1) {
                    import.map_err(|error| broken(&error))?;
                    imports += 1;
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => imports += section.count() as usize,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let message = format!("The module nests others deeper than {MAX_DEPTH} levels.");
                    return Err(CompileError::TooLarge(message));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if imports > imports_max {
            return Err(CompileError::TooLarge(format!("The module has more than {imports_max} imports.")));
        }
    }
    Ok(())
}

fn broken(error: &wasmparser::Error) -> CompileError {
    CompileError::Invalid(format!("The code is not valid WebAssembly: {error}"))
}
