//! `list<log-event>` of `wit/types.wit`. The engine looks for the memory anew for each field of each event: 40 of the 200 ns
//! that an event took. Here only the allocation of its text does.

use wasmtime::Result;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{InterfaceType, LowerContext};
use wasmtime::component::{ComponentType, Lower};

use super::lower_as_slice;
use crate::LogEvent;

/// Events as an argument of a guest's function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events<'a>(pub(crate) &'a [LogEvent<'a>]);

/// Bytes of one, and where its fields are: two times of 8 bytes, then place and length of the message.
pub(super) const EVENT_BYTES: usize = 24;
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

lower_as_slice!(Events<'_>, LogEvent<'static>);
