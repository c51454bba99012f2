//! Tests of `filter_policy`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Policy, AWS's text (white space folded), scope.
const REFUSED: &[(&str, &str)] = &[
    (
        r#"invalid"#,
        "FilterPolicy: failed to parse JSON. Unrecognized token 'invalid': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false') at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 8]",
    ),
    (
        r#"{invalidjson}"#,
        "FilterPolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]",
    ),
    (
        r#"{"key":{"not-an-operator":"value"}}"#,
        r#"FilterPolicy: "not-an-operator" must be an object or an array at [Source: (String)"{"key":{"not-an-operator":"value"}}"; line: 1, column: 28]"#,
    ),
    (
        r#"{"key":{"suffix":"value","prefix":"value"}}"#,
        r#"FilterPolicy: "suffix" must be an object or an array at [Source: (String)"{"key":{"suffix":"value","prefix":"value"}}"; line: 1, column: 19]"#,
    ),
    (
        r#"{"key_a":"value_one"}"#,
        r#"FilterPolicy: "key_a" must be an object or an array at [Source: (String)"{"key_a":"value_one"}"; line: 1, column: 11]"#,
    ),
    (
        r#"{"key":[{"numeric":[">=",1,">",2]}]}"#,
        r#"FilterPolicy: Bad numeric range operator: > at [Source: (String)"{"key":[{"numeric":[">=",1,">",2]}]}"; line: 1, column: 31]"#,
    ),
    (
        r#"{"key":[{"numeric":[">",20,"test"]}]}"#,
        r#"FilterPolicy: Bad numeric range operator: test at [Source: (String)"{"key":[{"numeric":[">",20,"test"]}]}"; line: 1, column: 34]"#,
    ),
    (
        r#"{"key":[{"numeric":[">",20,30]}]}"#,
        r#"FilterPolicy: Bad value in numeric range: 30 at [Source: (String)"{"key":[{"numeric":[">",20,30]}]}"; line: 1, column: 30]"#,
    ),
    (
        r#"{"key":[{"numeric":[">",3,"<",1]}]}"#,
        r#"FilterPolicy: Bottom must be less than top at [Source: (String)"{"key":[{"numeric":[">",3,"<",1]}]}"; line: 1, column: 33]"#,
    ),
    (
        r#"{"key":[]}"#,
        r#"FilterPolicy: Empty arrays are not allowed at [Source: (String)"{"key":[]}"; line: 1, column: 10]"#,
    ),
    (
        r#"{"key":[{"numeric":[1,"<="]}]}"#,
        r#"FilterPolicy: Invalid member in numeric match: 1 at [Source: (String)"{"key":[{"numeric":[1,"<="]}]}"; line: 1, column: 22]"#,
    ),
    (
        r#"{"key":[{"numeric":[]}]}"#,
        r#"FilterPolicy: Invalid member in numeric match: ] at [Source: (String)"{"key":[{"numeric":[]}]}"; line: 1, column: 22]"#,
    ),
    (r#"{"key":[{"cidr":"10.0.0.0/xx"}]}"#, "FilterPolicy: Malformed CIDR, mask bits must be an integer"),
    (r#"{"key":[{"cidr":"10.0.0.0"}]}"#, "FilterPolicy: Malformed CIDR, one '/' required"),
    (
        r#"{"key":[["value"]]}"#,
        r#"FilterPolicy: Match value must be String, number, true, false, or null at [Source: (String)"{"key":[["value"]]}"; line: 1, column: 10]"#,
    ),
    (r#"{"key":[{"cidr":"bad-filter/24"}]}"#, "FilterPolicy: Nonstandard IP address: bad-filter"),
    (r#"{"key":[{"cidr":"xx.11.xx/8"}]}"#, "FilterPolicy: Nonstandard IP address: xx.11.xx"),
    (
        r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#,
        r#"FilterPolicy: Only one key allowed in match expression at [Source: (String)"{"key":[{"suffix":"value","prefix":"value2"}]}"; line: 1, column: 37]"#,
    ),
    (
        r#"{"key":[{"numeric":["<",100,">",10]}]}"#,
        r#"FilterPolicy: Too many elements in numeric expression at [Source: (String)"{"key":[{"numeric":["<",100,">",10]}]}"; line: 1, column: 30]"#,
    ),
    (
        r#"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"#,
        r#"FilterPolicy: Too many terms in numeric range expression at [Source: (String)"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"; line: 1, column: 36]"#,
    ),
    (
        r#"{"key":[{"wrong-operator":true}]}"#,
        r#"FilterPolicy: Unrecognized match type wrong-operator at [Source: (String)"{"key":[{"wrong-operator":true}]}"; line: 1, column: 31]"#,
    ),
    (
        r#"{"key":[{"numeric":["operator"]}]}"#,
        r#"FilterPolicy: Unrecognized numeric range operator: operator at [Source: (String)"{"key":[{"numeric":["operator"]}]}"; line: 1, column: 32]"#,
    ),
    (
        r#"{"key":[{"anything-but":{"exists":false}}]}"#,
        r#"FilterPolicy: Unsupported anything-but pattern: exists at [Source: (String)"{"key":[{"anything-but":{"exists":false}}]}"; line: 1, column: 40]"#,
    ),
    (
        r#"{"key":[{"anything-but":{"suffix":"test"}}]}"#,
        r#"FilterPolicy: Unsupported anything-but pattern: suffix at [Source: (String)"{"key":[{"anything-but":{"suffix":"test"}}]}"; line: 1, column: 36]"#,
    ),
    (
        r#"{"key":[{"anything-but":{"wrong-operator":null}}]}"#,
        r#"FilterPolicy: Unsupported anything-but pattern: wrong-operator at [Source: (String)"{"key":[{"anything-but":{"wrong-operator":null}}]}"; line: 1, column: 47]"#,
    ),
    (
        r#"{"key":[{"numeric":[">",20,"<","30"]}]}"#,
        r#"FilterPolicy: Value of < must be numeric at [Source: (String)"{"key":[{"numeric":[">",20,"<","30"]}]}"; line: 1, column: 33]"#,
    ),
    (
        r#"{"key":[{"numeric":[">",20,"<="]}]}"#,
        r#"FilterPolicy: Value of <= must be numeric at [Source: (String)"{"key":[{"numeric":[">",20,"<="]}]}"; line: 1, column: 33]"#,
    ),
    (
        r#"{"key":[{"numeric":[">","20","<","30"]}]}"#,
        r#"FilterPolicy: Value of > must be numeric at [Source: (String)"{"key":[{"numeric":[">","20","<","30"]}]}"; line: 1, column: 26]"#,
    ),
    (
        r#"{"key":[{"numeric":[">="]}]}"#,
        r#"FilterPolicy: Value of >= must be numeric at [Source: (String)"{"key":[{"numeric":[">="]}]}"; line: 1, column: 26]"#,
    ),
    (
        r#"{"key":[{"numeric":["=","000"]}]}"#,
        r#"FilterPolicy: Value of equals must be numeric at [Source: (String)"{"key":[{"numeric":["=","000"]}]}"; line: 1, column: 26]"#,
    ),
    (
        r#"{"key":[{"exists":"no"}]}"#,
        r#"FilterPolicy: exists match pattern must be either true or false. at [Source: (String)"{"key":[{"exists":"no"}]}"; line: 1, column: 20]"#,
    ),
    (
        r#"{"key":[{"exists":null}]}"#,
        r#"FilterPolicy: exists match pattern must be either true or false. at [Source: (String)"{"key":[{"exists":null}]}"; line: 1, column: 23]"#,
    ),
    (
        r#"{"key":[{"anything-but":{"prefix":false}}]}"#,
        r#"FilterPolicy: prefix match pattern must be a string at [Source: (String)"{"key":[{"anything-but":{"prefix":false}}]}"; line: 1, column: 40]"#,
    ),
    (
        r#"{"key":[{"cidr":["bad-filter"]}]}"#,
        r#"FilterPolicy: prefix match pattern must be a string at [Source: (String)"{"key":[{"cidr":["bad-filter"]}]}"; line: 1, column: 18]"#,
    ),
    (
        r#"{"key":[{"suffix":100}]}"#,
        r#"FilterPolicy: suffix match pattern must be a string at [Source: (String)"{"key":[{"suffix":100}]}"; line: 1, column: 22]"#,
    ),
    (
        r#"{"key":[{"suffix":["test","test2"]}]}"#,
        r#"FilterPolicy: suffix match pattern must be a string at [Source: (String)"{"key":[{"suffix":["test","test2"]}]}"; line: 1, column: 20]"#,
    ),
    (
        r#"{"key":[{"suffix":null}]}"#,
        r#"FilterPolicy: suffix match pattern must be a string at [Source: (String)"{"key":[{"suffix":null}]}"; line: 1, column: 23]"#,
    ),
    (
        r#"{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}"#,
        "FilterPolicy: Filter policy can not have more than 5 keys",
    ),
    (r#"{"a":{"b":["x"]}}"#, "Filter policy scope MessageAttributes does not support nested filter policy"),
];

#[test]
fn refused_policies_get_the_recorded_texts() {
    for (policy, want) in REFUSED {
        let got = FilterPolicy::parse(policy, Scope::MessageAttributes).unwrap_err();
        assert_eq!(got.replace('\n', ""), *want, "{policy}");
    }
}

#[test]
fn too_many_combinations_are_refused() {
    let list = |n: usize| (0..n).map(|i| format!("\"{i}\"")).collect::<Vec<_>>().join(",");
    let flat = format!(r#"{{"a":[{}],"b":[{}]}}"#, list(15), list(10));
    assert!(FilterPolicy::parse(&flat, Scope::MessageAttributes).is_ok(), "150 are allowed");
    let more = format!(r#"{{"a":[{}],"b":[{}]}}"#, list(151), list(1));
    assert_eq!(
        FilterPolicy::parse(&more, Scope::MessageAttributes).unwrap_err(),
        "FilterPolicy: Filter policy is too complex"
    );
    // Each level of nesting multiplies.
    let nested = format!(r#"{{"a":{{"b":{{"c":[{}]}}}},"d":[{}]}}"#, list(10), list(6));
    assert!(FilterPolicy::parse(&nested, Scope::MessageBody).is_err(), "10 x 3 x 6 = 180");
}

/// Policy, attributes as name=type:value, whether it passes.
const ATTRIBUTE_CASES: &[(&str, &[&str], bool)] = &[
    (r#"{"k":["rugby"]}"#, &["k=String:rugby"], true),
    (r#"{"k":["rugby"]}"#, &["k=String:Rugby"], false),
    (r#"{"k":["rugby"]}"#, &[], false),
    (r#"{"k":["a","b"],"l":["c"]}"#, &["k=String:b", "l=String:c", "m=String:x"], true),
    (r#"{"k":["a","b"],"l":["c"]}"#, &["k=String:b"], false),
    (r#"{"k":["rugby"]}"#, &[r#"k=String.Array:["tennis","rugby"]"#], true),
    (r#"{"k":["rugby"]}"#, &[r#"k=String.Array:["tennis"]"#], false),
    (r#"{"k":[null]}"#, &[r#"k=String.Array:["tennis",null]"#], true),
    (r#"{"k":[true]}"#, &[r#"k=String.Array:[true]"#], true),
    (r#"{"k":[true]}"#, &["k=String:true"], false),
    (r#"{"k":[301.5]}"#, &["k=Number:3.015e2"], true),
    (r#"{"k":[301.5]}"#, &["k=String:301.5"], false),
    (r#"{"k":["301.5"]}"#, &["k=Number:301.5"], false),
    (r#"{"k":[{"prefix":"bas"}]}"#, &["k=String:baseball"], true),
    (r#"{"k":[{"prefix":"bas"}]}"#, &["k=String:rugby"], false),
    (r#"{"k":[{"suffix":"ball"}]}"#, &["k=String:baseball"], true),
    (r#"{"k":[{"suffix":"ball"}]}"#, &["k=String:balls"], false),
    (r#"{"k":[{"equals-ignore-case":"TeNNis"}]}"#, &["k=String:tennis"], true),
    (r#"{"k":[{"equals-ignore-case":"tennis"}]}"#, &["k=String:table tennis"], false),
    (r#"{"k":[{"anything-but":["rugby","tennis"]}]}"#, &["k=String:golf"], true),
    (r#"{"k":[{"anything-but":["rugby","tennis"]}]}"#, &["k=String:rugby"], false),
    (r#"{"k":[{"anything-but":["rugby"]}]}"#, &[], false),
    (r#"{"k":[{"anything-but":"rugby"}]}"#, &[r#"k=String.Array:["rugby","golf"]"#], true),
    (r#"{"k":[{"anything-but":"rugby"}]}"#, &[r#"k=String.Array:["rugby"]"#], false),
    (r#"{"k":[{"anything-but":[100,500]}]}"#, &["k=Number:100.0"], false),
    (r#"{"k":[{"anything-but":[100,500]}]}"#, &["k=Number:101"], true),
    (r#"{"k":[{"anything-but":{"prefix":"order-"}}]}"#, &["k=String:order-entered"], false),
    (r#"{"k":[{"anything-but":{"prefix":"order-"}}]}"#, &["k=String:data-entered"], true),
    (r#"{"k":[{"anything-but":{"wildcard":"*/lib/*"}}]}"#, &["k=String:/usr/lib/x"], false),
    (r#"{"k":[{"anything-but":{"wildcard":"*/lib/*"}}]}"#, &["k=String:/usr/bin/x"], true),
    (r#"{"k":[{"wildcard":"a*b*c"}]}"#, &["k=String:a-b-b-c"], true),
    (r#"{"k":[{"wildcard":"a*b*c"}]}"#, &["k=String:a-c-b"], false),
    (r#"{"k":[{"wildcard":"ab*ba"}]}"#, &["k=String:aba"], false),
    (r#"{"k":[{"wildcard":"a\\*b"}]}"#, &["k=String:a*b"], true),
    (r#"{"k":[{"wildcard":"a\\*b"}]}"#, &["k=String:axb"], false),
    (r#"{"k":[{"wildcard":"*"}]}"#, &["k=String:"], true),
    (r#"{"k":[{"numeric":["=",301.5]}]}"#, &["k=Number:301.5"], true),
    (r#"{"k":[{"numeric":["<",0]}]}"#, &["k=Number:0"], false),
    (r#"{"k":[{"numeric":["<=",0]}]}"#, &["k=Number:0"], true),
    (r#"{"k":[{"numeric":[">",0,"<=",150]}]}"#, &["k=Number:150"], true),
    (r#"{"k":[{"numeric":[">",0,"<=",150]}]}"#, &["k=Number:0"], false),
    (r#"{"k":[{"numeric":[">",0]}]}"#, &["k=String:5"], false),
    (r#"{"k":[{"exists":true}]}"#, &["k=Binary:AA=="], true),
    (r#"{"k":[{"exists":true}]}"#, &[], false),
    (r#"{"k":[{"exists":false}]}"#, &[], true),
    (r#"{"k":[{"exists":false}]}"#, &["k=String:x"], false),
    (r#"{"k":[{"cidr":"10.0.0.0/24"}]}"#, &["k=String:10.0.0.255"], true),
    (r#"{"k":[{"cidr":"10.0.0.0/24"}]}"#, &["k=String:10.0.1.0"], false),
    (r#"{"k":[{"cidr":"0.0.0.0/0"}]}"#, &["k=String:8.8.8.8"], true),
    (r#"{"k":[{"cidr":"2001:db8:1234:1a00::/64"}]}"#, &["k=String:2001:db8:1234:1a00::1"], true),
    (r#"{"k":[{"cidr":"2001:db8:1234:1a00::/64"}]}"#, &["k=String:10.0.0.1"], false),
    (r#"{"s":["x"],"$or":[{"a":["1"]},{"b":["2"]}]}"#, &["s=String:x", "b=String:2"], true),
    (r#"{"s":["x"],"$or":[{"a":["1"]},{"b":["2"]}]}"#, &["s=String:x", "b=String:3"], false),
    (r#"{"s":["x"],"$or":[{"a":["1"]},{"b":["2"]}]}"#, &["a=String:1"], false),
    // One object, or operators inside: an ordinary key.
    (r#"{"$or":["x"]}"#, &["k=String:x"], false),
    (r#"{"$or":[{"prefix":"x"},{"prefix":"y"}]}"#, &["k=String:x"], false),
];

#[test]
fn attribute_policies_decide() {
    for (policy, attributes, want) in ATTRIBUTE_CASES {
        let parsed = FilterPolicy::parse(policy, Scope::MessageAttributes).unwrap();
        let attributes: BTreeMap<_, _> = attributes
            .iter()
            .map(|text| {
                let (name, rest) = text.split_once('=').unwrap();
                let (data_type, value) = rest.split_once(':').unwrap();
                let attribute = MessageAttribute { data_type: data_type.to_owned(), value: value.to_owned() };
                (name.to_owned(), attribute)
            })
            .collect();
        assert_eq!(parsed.matches(&attributes, "{}"), *want, "{policy} {attributes:?}");
    }
}

/// Policy, body, whether it passes.
const BODY_CASES: &[(&str, &str, bool)] = &[
    (r#"{"a":["x"]}"#, r#"{"a":"x","b":1}"#, true),
    (r#"{"a":["x"]}"#, r#"{"a":["y","x"]}"#, true),
    (r#"{"a":["x"]}"#, r#"not json"#, false),
    (r#"{"a":["x"]}"#, r#"["a"]"#, false),
    (r#"{"a":[301.5]}"#, r#"{"a":3.015e2}"#, true),
    (r#"{"a":[null]}"#, r#"{"a":null}"#, true),
    (r#"{"a":[false]}"#, r#"{"a":false}"#, true),
    (r#"{"a":{"b":[{"prefix":"x"}]}}"#, r#"{"a":{"b":"xy"}}"#, true),
    (r#"{"a":{"b":[{"prefix":"x"}]}}"#, r#"{"a":"xy"}"#, false),
    (r#"{"a":{"b":["1"],"c":["2"]}}"#, r#"{"a":[{"b":"1","c":"2"}]}"#, true),
    // No single element has both.
    (r#"{"a":{"b":["1"],"c":["2"]}}"#, r#"{"a":[{"b":"1"},{"c":"2"}]}"#, false),
    (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{}"#, true),
    (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a":{"b":0}}"#, false),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":{"b":0}}"#, false),
    (r#"{"a":[{"anything-but":["x"]}]}"#, r#"{"a":["x","y"]}"#, true),
    (r#"{"a":{"$or":[{"b":["1"]},{"c":["2"]}]}}"#, r#"{"a":{"c":"2"}}"#, true),
    (r#"{"a":{"$or":[{"b":["1"]},{"c":["2"]}]}}"#, r#"{"a":{"c":"1"}}"#, false),
    (r#"{"$or":[{"a":["1"],"b":["2"]},{"c":[{"numeric":[">",5]}]}]}"#, r#"{"a":"1","c":6}"#, true),
    (r#"{"$or":[{"a":["1"],"b":["2"]},{"c":[{"numeric":[">",5]}]}]}"#, r#"{"a":"1","c":5}"#, false),
];

#[test]
fn body_policies_decide() {
    for (policy, body, want) in BODY_CASES {
        let parsed = FilterPolicy::parse(policy, Scope::MessageBody).unwrap();
        assert_eq!(parsed.matches(&BTreeMap::new(), body), *want, "{policy} {body}");
    }
}

fn policy_like() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"a\"",
        "\"$or\"",
        "\"prefix\"",
        "\"numeric\"",
        "\"<\"",
        "\">=\"",
        "\"anything-but\"",
        "\"cidr\"",
        "\"exists\"",
        "\"wildcard\"",
        "\"x\\\\\"",
        "\"10.0.0.0/33\"",
        "1",
        "-2e3",
        "true",
        "null",
        " ",
        "\n",
        "\"é\\u00e9\"",
    ]);
    prop::collection::vec(scrap, 0..24).prop_map(|scraps| scraps.concat())
}

/// Well-formed JSON made of words the language knows, so that the parser proper is reached.
fn json_like() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "$or",
        "prefix",
        "suffix",
        "numeric",
        "anything-but",
        "cidr",
        "exists",
        "wildcard",
        "=",
        "<",
        ">",
        "::/0",
        "1.2.3.4/8",
        "*",
        "\\",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(|w| serde_json::Value::String(w.to_owned())),
        any::<i32>().prop_map(Into::into),
        any::<bool>().prop_map(Into::into),
        Just(serde_json::Value::Null),
    ];
    let key = word.prop_map(str::to_owned);
    leaf.prop_recursive(5, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
    .prop_map(|value| value.to_string())
}

proptest! {
    #![proptest_config(crate::tests::rounds(256))]
    #[test]
    fn no_text_makes_the_parser_panic(text in prop_oneof![policy_like(), json_like(), any::<String>()]) {
        for scope in [Scope::MessageAttributes, Scope::MessageBody] {
            if let Ok(policy) = FilterPolicy::parse(&text, scope) {
                policy.matches(&BTreeMap::new(), &text);
            }
        }
    }
}
