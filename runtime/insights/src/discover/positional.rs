//! Records whose fields are told apart by position: VPC flow logs and Route 53 query logs.
//! `-` stands for an absent value. Knows no JSON.

use crate::run::vector::Lent;

struct Layout {
    names: &'static [&'static str],
    /// Whether the record, split at blanks, is one of these.
    fits: fn(&[&str]) -> bool,
}

const LAYOUTS: &[Layout] = &[
    Layout {
        names: &[
            "version",
            "accountId",
            "interfaceId",
            "srcAddr",
            "dstAddr",
            "srcPort",
            "dstPort",
            "protocol",
            "packets",
            "bytes",
            "startTime",
            "endTime",
            "action",
            "logStatus",
        ],
        fits: |parts| parts[2].starts_with("eni-") && matches!(parts[13], "OK" | "NODATA" | "SKIPDATA"),
    },
    Layout {
        names: &[
            "version",
            "queryTimestamp",
            "hostZoneId",
            "queryName",
            "queryType",
            "responseCode",
            "protocol",
            "edgeLocation",
            "resolverIp",
            "ednsClientSubnet",
        ],
        fits: |parts| parts[0] == "1.0" && parts[2].starts_with('Z') && matches!(parts[6], "UDP" | "TCP"),
    },
];

/// Whether the name is one of the fields found here.
pub(super) fn has_field(name: &str) -> bool {
    LAYOUTS.iter().any(|layout| layout.names.contains(&name))
}

/// Emits the fields of one record.
pub(super) fn fields<'b>(message: &'b str, emit: &mut dyn FnMut(&'static str, Lent<'b>)) {
    if !message.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return;
    }
    let parts: Vec<&str> = message.split_ascii_whitespace().take(15).collect();
    let fitting = LAYOUTS.iter().find(|layout| layout.names.len() == parts.len() && (layout.fits)(&parts));
    let Some(layout) = fitting else {
        return;
    };
    for (name, part) in layout.names.iter().zip(parts) {
        if part != "-" {
            emit(name, Lent::Borrowed(part));
        }
    }
}
