//! Owns how events get into the memory of a guest: as `list<log-event>` of `wit/types.wit`, by the rules of the canonical
//! ABI (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>, "Storing"). The engine does
//! it as well, but looks for the memory anew for each field of each event: 40 of the 200 ns that an event took. Here only
//! the allocation of its text does. Refuses to know what the guest does with them.

// The engine's traits are `unsafe` to implement: see `Events`.
#![allow(unsafe_code, reason = "there is no safe way to say how a value is stored")]

use std::mem::MaybeUninit;

use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext};
use wasmtime::component::{ComponentType, Lower};
use wasmtime::{Result, ValRaw};

use crate::LogEvent;

/// Events as an argument of a guest's function. For the engine it is what a slice of them is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events<'a>(pub(crate) &'a [LogEvent<'a>]);

type Slice = [LogEvent<'static>];
type Pair = [ValRaw; 2];

/// Bytes of one, and where its fields are: two times of 8 bytes, then place and length of the message.
const EVENT_BYTES: usize = 24;
const _: () = assert!(<LogEvent<'static> as ComponentType>::SIZE32 == EVENT_BYTES);

impl Events<'_> {
    /// Where the list is, and how long it is.
    fn store<T: 'static>(self, cx: &mut LowerContext<'_, T>, ty: InterfaceType) -> Result<(u32, u32)> {
        let (align, events) = (<LogEvent<'static> as ComponentType>::ALIGN32, self.0);
        let list = cx.realloc(0, 0, align, events.len() * EVENT_BYTES)?;
        let place = (u32::try_from(list)?, u32::try_from(events.len())?);
        if !matches!(cx.options().string_encoding, StringEncoding::Utf8) {
            let InterfaceType::List(index) = ty else { wasmtime::bail!("a list was expected") };
            let element = cx.types[index].element;
            LogEvent::linear_store_list_to_memory(cx, element, list, events)?;
            return Ok(place);
        }
        let texts = events.iter().map(|event| cx.realloc(0, 0, 1, event.message.len()));
        let texts = texts.collect::<Result<Vec<usize>>>()?;
        // It may have grown until here, and stays where it is from here on. That all of it is inside was looked at by
        // `realloc`.
        let memory = cx.as_slice_mut();
        for (event, text) in events.iter().zip(&texts) {
            memory[*text..][..event.message.len()].copy_from_slice(event.message.as_bytes());
        }
        let (rows, _) = memory[list..][..events.len() * EVENT_BYTES].as_chunks_mut::<EVENT_BYTES>();
        for ((row, event), text) in rows.iter_mut().zip(events).zip(texts) {
            row[..8].copy_from_slice(&event.timestamp.to_le_bytes());
            row[8..16].copy_from_slice(&event.ingestion_time.to_le_bytes());
            row[16..20].copy_from_slice(&u32::try_from(text)?.to_le_bytes());
            row[20..].copy_from_slice(&u32::try_from(event.message.len())?.to_le_bytes());
        }
        Ok(place)
    }
}

// SAFETY: layout, size and type are those of a slice of the same events, whose implementation is the engine's.
unsafe impl ComponentType for Events<'_> {
    type Lower = <Slice as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <Slice as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <Slice as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: what is promised about `Lower` is that all of it is written; the rest is checked where it is stored.
unsafe impl Lower for Events<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        to: &mut MaybeUninit<Pair>,
    ) -> Result<()> {
        let (place, count) = self.store(cx, ty)?;
        to.write([ValRaw::u32(place), ValRaw::u32(count)]);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let (place, count) = self.store(cx, ty)?;
        *cx.get(offset) = place.to_le_bytes();
        *cx.get(offset + 4) = count.to_le_bytes();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
