//! A parsed JSON document as a flat tape of nodes over the message text.
//!
//! Owns the layout and reading it; refuses to know how it was parsed (`scan`) or what is asked
//! of it. Nothing is copied: strings and numbers are spans of the text, unescaped on demand.

use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// One value, or one member name (a `String` that precedes its value).
///
/// `start..end` is the span in the text: between the quotes for strings, from bracket to bracket
/// for containers. `next` is the node after this one and everything inside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) next: u32,
    pub(crate) kind: Kind,
    pub(crate) escaped: bool,
}

/// The nodes of one document in the order of the text; the root is node 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape {
    pub(crate) nodes: Vec<Node>,
}

impl Tape {
    pub(crate) fn root<'d>(&'d self, text: &'d str) -> Value<'d> {
        Value { text, nodes: &self.nodes, at: 0 }
    }
}

/// A value on a tape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'d> {
    text: &'d str,
    nodes: &'d [Node],
    at: usize,
}

impl<'d> Value<'d> {
    fn node(self) -> Node {
        self.nodes[self.at]
    }

    pub(crate) fn kind(self) -> Kind {
        self.node().kind
    }

    pub(crate) fn is_container(self) -> bool {
        matches!(self.kind(), Kind::Object | Kind::Array)
    }

    /// The value of a member; of the last one, if the name occurs more than once.
    pub(crate) fn member(self, name: &str) -> Option<Value<'d>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let end = self.node().next as usize;
        let (mut key, mut found) = (self.at + 1, None);
        while key < end {
            if self.named(key, name) {
                found = Some(key + 1);
            }
            key = self.nodes[key + 1].next as usize;
        }
        found.map(|at| Value { at, ..self })
    }

    fn named(self, key: usize, name: &str) -> bool {
        let node = self.nodes[key];
        if node.escaped {
            return unescape(&self.text[node.start as usize..node.end as usize]) == name;
        }
        self.text.as_bytes()[node.start as usize..node.end as usize] == *name.as_bytes()
    }

    /// Calls `each` with the name of every member, unescaped, and the node of its value.
    pub(crate) fn each_member(self, each: &mut dyn FnMut(&[u8], u32)) {
        if self.kind() != Kind::Object {
            return;
        }
        let end = self.node().next as usize;
        let mut key = self.at + 1;
        while key < end {
            let node = self.nodes[key];
            let name = &self.text.as_bytes()[node.start as usize..node.end as usize];
            if node.escaped {
                each(unescape(&self.text[node.start as usize..node.end as usize]).as_bytes(), key as u32 + 1);
            } else {
                each(name, key as u32 + 1);
            }
            key = self.nodes[key + 1].next as usize;
        }
    }

    /// The value at a node of the same tape.
    pub(crate) fn at_node(self, node: u32) -> Value<'d> {
        Value { at: node as usize, ..self }
    }

    /// The element at `index` of an array.
    pub(crate) fn element(self, index: usize) -> Option<Value<'d>> {
        if self.kind() != Kind::Array {
            return None;
        }
        self.children().nth(index)
    }

    /// The values in a container: elements, or member values in the order of the text.
    pub(crate) fn children(self) -> impl Iterator<Item = Value<'d>> {
        let node = self.node();
        let step = usize::from(node.kind == Kind::Object);
        let end = if self.is_container() { node.next as usize } else { 0 };
        let mut at = self.at + 1 + step;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let value = Value { at, ..self };
            at = self.nodes[at].next as usize + step;
            Some(value)
        })
    }

    /// A string (unescaped), number or boolean as text; `None` for null and containers.
    pub(crate) fn scalar(self) -> Option<Cow<'d, str>> {
        let node = self.node();
        match node.kind {
            Kind::Object | Kind::Array | Kind::Null => None,
            Kind::String if node.escaped => Some(Cow::Owned(unescape(self.span()))),
            Kind::String | Kind::Number | Kind::True | Kind::False => Some(Cow::Borrowed(self.span())),
        }
    }

    /// Any value as text: scalars as themselves, null as `null`, containers as their JSON.
    pub(crate) fn display(self) -> Cow<'d, str> {
        self.scalar().unwrap_or(Cow::Borrowed(self.span()))
    }

    fn span(self) -> &'d str {
        let node = self.node();
        &self.text[node.start as usize..node.end as usize]
    }
}

/// The text of a string literal whose escapes were checked when the tape was made. A surrogate
/// without its partner becomes U+FFFD.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = rest.find('\\') {
        text.push_str(&rest[..backslash]);
        let code = rest.as_bytes().get(backslash + 1).copied().unwrap_or(b'\\');
        rest = rest.get(backslash + 2..).unwrap_or("");
        match code {
            b'n' => text.push('\n'),
            b't' => text.push('\t'),
            b'r' => text.push('\r'),
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'u' => rest = unicode(rest, &mut text),
            other => text.push(char::from(other)),
        }
    }
    text.push_str(rest);
    text
}

/// Reads the four digits after `\u`, and a second escape when they are half of a pair.
fn unicode<'r>(rest: &'r str, text: &mut String) -> &'r str {
    let code = |at: &'r str| at.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let high = code(rest).unwrap_or(0xfffd);
    let rest = rest.get(4..).unwrap_or("");
    if (0xd800..0xdc00).contains(&high)
        && let Some(low) = rest.strip_prefix("\\u").and_then(code)
        && (0xdc00..0xe000).contains(&low)
    {
        let paired = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        text.push(char::from_u32(paired).unwrap_or(char::REPLACEMENT_CHARACTER));
        return &rest[6..];
    }
    text.push(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}
