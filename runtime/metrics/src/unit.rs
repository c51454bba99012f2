//! Owns the StandardUnit table. Refuses to convert between units, as CloudWatch does.

use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! units {
    ($($variant:ident $text:literal $doc:literal),* $(,)?) => {
        /// A StandardUnit. Data in different units of one metric are separate streams.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Unit {
            $( #[doc = $doc] #[serde(rename = $text)] $variant, )*
            /// No unit: the default.
            #[default]
            None,
        }

        impl Unit {
            /// Every unit, in the order in which AWS was seen to prefer one when a query names none and the
            /// metric has several.
            pub const ALL: &'static [Unit] = &[$( Unit::$variant, )* Unit::None];

            /// The unit as AWS spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Unit::$variant => $text, )*
                    Unit::None => "None",
                }
            }
        }
    };
}

units! {
    Megabits "Megabits" "10^6 bits.",
    Terabits "Terabits" "10^12 bits.",
    Gigabits "Gigabits" "10^9 bits.",
    Count "Count" "How many.",
    Bytes "Bytes" "Bytes.",
    Gigabytes "Gigabytes" "10^9 bytes.",
    GigabytesPerSecond "Gigabytes/Second" "10^9 bytes each second.",
    Kilobytes "Kilobytes" "1000 bytes.",
    KilobitsPerSecond "Kilobits/Second" "1000 bits each second.",
    Terabytes "Terabytes" "10^12 bytes.",
    TerabitsPerSecond "Terabits/Second" "10^12 bits each second.",
    BytesPerSecond "Bytes/Second" "Bytes each second.",
    Percent "Percent" "Parts of a hundred.",
    Megabytes "Megabytes" "10^6 bytes.",
    MegabitsPerSecond "Megabits/Second" "10^6 bits each second.",
    Milliseconds "Milliseconds" "Milliseconds.",
    Microseconds "Microseconds" "Microseconds.",
    KilobytesPerSecond "Kilobytes/Second" "1000 bytes each second.",
    GigabitsPerSecond "Gigabits/Second" "10^9 bits each second.",
    MegabytesPerSecond "Megabytes/Second" "10^6 bytes each second.",
    Bits "Bits" "Bits.",
    BitsPerSecond "Bits/Second" "Bits each second.",
    CountPerSecond "Count/Second" "How many each second.",
    Seconds "Seconds" "Seconds.",
    Kilobits "Kilobits" "1000 bits.",
    TerabytesPerSecond "Terabytes/Second" "10^12 bytes each second.",
}

impl Unit {
    /// The unit with this spelling; `parameter` is the member to name in the error.
    pub fn parse(text: &str, parameter: &str) -> Result<Unit, Fault> {
        Unit::ALL
            .iter()
            .copied()
            .find(|unit| unit.as_str() == text)
            .ok_or_else(|| Fault::value(format!("The value {text} for parameter {parameter} is invalid.")))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_reads_back() {
        assert_eq!(Unit::ALL.len(), 27);
        for unit in Unit::ALL {
            assert_eq!(Unit::parse(unit.as_str(), "Unit").unwrap(), *unit);
            assert_eq!(serde_json::to_value(unit).unwrap(), serde_json::json!(unit.as_str()));
        }
        assert!(Unit::parse("seconds", "Unit").is_err());
    }
}
