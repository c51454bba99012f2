//! Owns Prometheus' text format, version 0.0.4. Refuses to know what is measured.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;

/// The media type of a page.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the values of a family are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rises until the process ends. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations by size.
    Histogram,
}

/// A page of families.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

/// One family; its samples follow.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

/// Names and values that tell the samples of a family apart.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        escape(help, false, &mut self.text);
        // Writing to a string does not fail, here and below.
        let _ = writeln!(self.text, "\n# TYPE {name} {kind}");
        Family { text: &mut self.text, name }
    }

    /// A family with one sample and no labels.
    pub(super) fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Value) {
        self.family(name, kind, help).sample(&[], value);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// One sample.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Value) {
        self.line("", labels, None, value);
    }

    /// The samples of a histogram.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let (mut below, counts) = (0, histogram.counts());
        for (seconds, count) in &counts {
            below += count;
            self.line("_bucket", labels, Some(("le", *seconds)), below);
        }
        self.line("_sum", labels, None, histogram.sum_seconds());
        self.line("_count", labels, None, below);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, more: Option<(&str, &str)>, value: impl Value) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(more) {
            self.text.push(open);
            open = ',';
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(value, true, self.text);
            self.text.push('"');
        }
        if open == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {}", value.shown());
    }
}

/// A number as the format writes it.
pub(super) trait Value: Copy {
    /// The text.
    fn shown(&self) -> impl Display;
}

impl Value for u64 {
    fn shown(&self) -> impl Display {
        *self
    }
}

impl Value for f64 {
    fn shown(&self) -> impl Display {
        match *self {
            value if value == f64::INFINITY => "+Inf".to_owned(),
            value if value == f64::NEG_INFINITY => "-Inf".to_owned(),
            value => value.to_string(),
        }
    }
}

/// Backslash and line feed are escaped everywhere, the quote in label values only.
fn escape(text: &str, quoted: bool, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_the_format_asks_for_and_numbers_are_its_own() {
        let mut page = Page::default();
        let mut family = page.family("a_total", Kind::Counter, "One \\ and \"two\"\nlines.");
        family.sample(&[], 7);
        family.sample(&[("x", "a\\b\"c\nd"), ("y", "")], 0.25);
        page.single("b", Kind::Gauge, "B.", f64::INFINITY);
        let expected = "# HELP a_total One \\\\ and \"two\"\\nlines.\n# TYPE a_total counter\na_total 7\n\
                        a_total{x=\"a\\\\b\\\"c\\nd\",y=\"\"} 0.25\n# HELP b B.\n# TYPE b gauge\nb +Inf\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn buckets_add_up_and_the_last_holds_all() {
        let histogram = Histogram::default();
        for us in [0, 900, 1_000, 1_001, 99_000_000] {
            histogram.record_us(us);
        }
        let mut page = Page::default();
        page.family("h", Kind::Histogram, "H.").histogram(&[("k", "v")], &histogram);
        let text = page.into_text();
        for line in [
            "h_bucket{k=\"v\",le=\"0.0005\"} 1\n",
            "h_bucket{k=\"v\",le=\"0.001\"} 3\n",
            "h_bucket{k=\"v\",le=\"0.0025\"} 4\n",
            "h_bucket{k=\"v\",le=\"10\"} 4\n",
            "h_bucket{k=\"v\",le=\"+Inf\"} 5\n",
            "h_sum{k=\"v\"} 99.002901\n",
            "h_count{k=\"v\"} 5\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
