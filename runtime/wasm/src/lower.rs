//! Owns how lists get into the memory of a guest where the engine has no fast way: by the rules of the canonical ABI
//! (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>, "Storing"). Refuses to know
//! what the guest does with them.

// The engine's traits are `unsafe` to implement: see `lower_as_slice`.
#![allow(unsafe_code, reason = "there is no safe way to say how a value is stored")]

mod events;
mod pieces;

pub(crate) use events::Events;
pub use pieces::Pieces;

/// Makes a type an argument of a guest's function that is, for the engine, what a slice of `$element` is. The type has
/// a method `store(self, cx, ty)` that puts it into the guest's memory and tells where it is and how long it is.
macro_rules! lower_as_slice {
    ($list:ty, $element:ty) => {
        // SAFETY: layout, size and type are those of a slice, whose implementation is the engine's.
        unsafe impl wasmtime::component::ComponentType for $list {
            type Lower = <[$element] as wasmtime::component::ComponentType>::Lower;

            const ABI: wasmtime::component::__internal::CanonicalAbiInfo =
                <[$element] as wasmtime::component::ComponentType>::ABI;

            fn typecheck(
                ty: &wasmtime::component::__internal::InterfaceType,
                types: &wasmtime::component::__internal::InstanceType<'_>,
            ) -> wasmtime::Result<()> {
                <[$element] as wasmtime::component::ComponentType>::typecheck(ty, types)
            }
        }

        // SAFETY: what is promised about `Lower` is that all of it is written; the rest is checked where it is stored.
        unsafe impl wasmtime::component::Lower for $list {
            fn linear_lower_to_flat<T>(
                &self,
                cx: &mut wasmtime::component::__internal::LowerContext<'_, T>,
                ty: wasmtime::component::__internal::InterfaceType,
                to: &mut std::mem::MaybeUninit<[wasmtime::ValRaw; 2]>,
            ) -> wasmtime::Result<()> {
                let (place, count) = self.store(cx, ty)?;
                to.write([wasmtime::ValRaw::u32(place), wasmtime::ValRaw::u32(count)]);
                Ok(())
            }

            fn linear_lower_to_memory<T>(
                &self,
                cx: &mut wasmtime::component::__internal::LowerContext<'_, T>,
                ty: wasmtime::component::__internal::InterfaceType,
                offset: usize,
            ) -> wasmtime::Result<()> {
                let (place, count) = self.store(cx, ty)?;
                *cx.get(offset) = place.to_le_bytes();
                *cx.get(offset + 4) = count.to_le_bytes();
                Ok(())
            }
        }
    };
}
use lower_as_slice;

#[cfg(test)]
mod tests;
