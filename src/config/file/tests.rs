use super::*;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

fn data() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config")
}

fn errors(text: &str) -> Vec<String> {
    match parse("f", text, FilePath::new("/etc/weir")) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(|e| e.to_string().replacen("f:", "", 1)).collect(),
    }
}

/// Lines that begin with `#! ` are the errors of a file; one without any is good.
#[test]
fn golden_files_say_what_they_should() {
    let (mut n_good, mut n_bad, mut wrong) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#! ")).collect();
        let found = errors(&text);
        if found != expected {
            wrong.push(format!("{}:\n#! {}", path.display(), found.join("\n#! ")));
        }
        // What is no YAML is not known to be either.
        assert!(is_config(&text) || node::parse(&text).is_err(), "{}", path.display());
        if found.is_empty() {
            n_good += 1;
            let document = to_json(&node::parse(&text).unwrap());
            assert_eq!(invalid(&schema(), &document), None, "{}", path.display());
        } else {
            n_bad += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_good >= 2 && n_bad >= 5, "{n_good} good, {n_bad} bad");
}

#[test]
fn a_whole_file_is_read() {
    let text = std::fs::read_to_string(data().join("full.yaml")).unwrap();
    let config = parse("full.yaml", &text, FilePath::new("/etc/weir")).unwrap();
    assert_eq!(config.listen.host.as_deref(), Some("127.0.0.1"));
    assert_eq!(config.data_dir, Some(PathBuf::from("/var/lib/weir")));
    assert_eq!(config.scrape_interval, Some(Duration::from_secs(15)));
    assert_eq!(config.limits.body_bytes_max, 64 << 20);
    let receive = config.receive.unwrap();
    assert_eq!((&*receive.path, receive.body_bytes_max), ("/push", 16 << 20));
    assert_eq!(receive.intake.cached_series_max, 500_000);
    assert_eq!(config.dns.family, DnsFamily::Both);
    assert_eq!(config.dns.keep, Duration::ZERO);
    assert_eq!(config.upstreams.len(), 4);
    let shown: Vec<_> =
        config.upstreams.iter().map(|upstream| upstream.targets.sources[0].to_string()).collect();
    let expect = [
        "dns+http://ingress-metrics:10254/metrics",
        "https://app:8443/m",
        "file_sd /etc/weir/targets/*.yaml, /etc/weir/more.json",
        "http_sd http://inventory/targets",
    ];
    assert_eq!(shown, expect);
    assert_eq!(config.upstreams[0].scrape_timeout, Some(Duration::from_secs(10)));
    assert_eq!(config.upstreams[1].rules.rules.len(), 1);
    // Secrets are not shown, and their files are beside the configuration.
    let told = format!("{:?}", config.upstreams);
    assert!(told.contains("File(/etc/weir/password)"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
    let names: Vec<_> =
        config.subsets.iter().map(|(name, set)| (&**name, set.rules.len())).collect();
    assert_eq!(names, [("none", 0), ("requests", 1)]);
    assert_eq!(config.aggregate.len(), 4);
}

#[test]
fn what_is_left_out_is_as_the_default() {
    for text in ["", "{}", "upstreams:\nsubsets: ~\naggregate: null\nmax_series:\n"] {
        assert_eq!(parse("f", text, FilePath::new("")).unwrap(), Config::default(), "{text:?}");
    }
}

#[test]
fn the_first_match_decides_how_to_merge() {
    use crate::model::LabelSet;
    let text = "aggregate:\n- {match: 'process_.*', gauges: max}\n\
                - match: {source_labels: [job, __name__], separator: '/', regex: 'db/.+'}\n  gauges: last\n\
                - {match: '.*', gauges: drop, quantiles: avg, counters: raw}\n";
    let config = parse("f", text, FilePath::new("")).unwrap();
    let mut scratch = crate::relabel::Scratch::default();
    let mut first = |name: &str, job: &str| {
        let mut labels = LabelSet::new();
        labels.push(b"__name__", name.as_bytes());
        labels.push(b"job", job.as_bytes());
        labels.sort();
        let mut rules = config.aggregate.iter();
        rules.find(|rule| rule.matches(&mut labels, &mut scratch)).unwrap().gauges
    };
    assert_eq!(first("process_open_fds", "db"), Some(aggregate::Gauges::Max));
    assert_eq!(first("up", "db"), Some(aggregate::Gauges::Last));
    assert_eq!(first("my_process_x", "web"), Some(aggregate::Gauges::Drop));
}

#[test]
fn configurations_are_told_from_rules() {
    for text in [
        "listen_address: :80",
        "upstreams: [{url: h}]",
        "upstream: http://h",
        "metric_relabel_configs: []\nsubsets: {}",
        "aggregate: [{match: x, gauges: sum}]",
    ] {
        assert!(is_config(text), "{text}");
    }
    for text in [
        "",
        "metric_relabel_configs: []",
        "metric_relabel_configs: []\nrequests: [{action: drop, regex: x}]",
        // Subsets that are called like keys.
        "metric_relabel_configs: []\nupstreams: [{action: drop, regex: x}]\naggregate: []",
        "requests: [{action: drop, regex: x}]",
        "metric_relabel_configs: nonsense",
        "- a list",
        "{",
    ] {
        assert!(!is_config(text), "{text}");
    }
}

/// Each key the schema knows is decoded, and what the decoder takes the schema allows.
#[test]
fn decoder_and_schema_agree() {
    let schema = schema();
    let mut n_keys = 0;
    each_key(&CONFIG, &|value| value, &mut |document| {
        n_keys += 1;
        let found = errors(&document.to_string());
        let is_known =
            |line: &&String| line.contains("unknown field") || line.contains("is not decoded");
        assert_eq!(found.iter().find(is_known), None, "{document}");
        assert_eq!(invalid(&schema, &document), None, "{document}");
    });
    assert!(n_keys > 80, "{n_keys}");
    // A key too many, at every depth.
    let mut n_objects = 0;
    each_object(&CONFIG, &|value| value, &mut |document| {
        n_objects += 1;
        let found = errors(&document.to_string());
        assert!(found.iter().any(|line| line.contains("unknown field \"zzz\"")), "{found:?}");
        assert!(invalid(&schema, &document).is_some(), "{document}");
    });
    assert!(n_objects > 10, "{n_objects}");
}

#[test]
fn the_fields_of_rules_are_those_of_rule_files() {
    let mut names: Vec<_> = outputs::RULE.keys.iter().map(|key| key.name).collect();
    let mut fields = relabel::FIELDS.to_vec();
    names.sort_unstable();
    fields.sort_unstable();
    assert_eq!(names, fields);
}

/// A document for each key below `object`, which `wrap` puts where it belongs.
fn each_key(object: &Object, wrap: &dyn Fn(Value) -> Value, visit: &mut dyn FnMut(Value)) {
    for key in object.all_keys() {
        let with = |value: Value| {
            let mut map = required(object);
            map[key.name] = value;
            wrap(map)
        };
        visit(with(sample(&key.shape)));
        below(&key.shape, &with, &mut |object, wrap| each_key(object, wrap, visit));
    }
}

/// A document for each object, with a key that it does not know.
fn each_object(object: &Object, wrap: &dyn Fn(Value) -> Value, visit: &mut dyn FnMut(Value)) {
    let mut map = required(object);
    map["zzz"] = json!(1);
    visit(wrap(map));
    for key in object.all_keys() {
        let with = |value: Value| {
            let mut map = required(object);
            map[key.name] = value;
            wrap(map)
        };
        below(&key.shape, &with, &mut |object, wrap| each_object(object, wrap, visit));
    }
}

/// What [`below`] hands on: an object, and how to put a value where it stands.
type Visit<'a> = dyn FnMut(&Object, &dyn Fn(Value) -> Value) + 'a;

fn below(shape: &Shape, wrap: &dyn Fn(Value) -> Value, visit: &mut Visit<'_>) {
    match shape {
        Shape::List(items) => below(items, &|value| wrap(json!([value])), visit),
        Shape::MapOf(values) => below(values, &|value| wrap(json!({"name": value})), visit),
        Shape::Object(object) => visit(object, wrap),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| below(shape, wrap, visit)),
        _ => {}
    }
}

fn required(object: &Object) -> Value {
    let mut map = json!({});
    for key in object.all_keys().iter().filter(|key| object.required.contains(&key.name)) {
        map[key.name] = sample(&key.shape);
    }
    map
}

fn sample(shape: &Shape) -> Value {
    match shape {
        Shape::Text | Shape::Scalar => json!("h:1"),
        Shape::Word(words) => json!(words[0]),
        Shape::Bool => json!(true),
        Shape::Count => json!(7),
        Shape::Duration => json!("1m30s"),
        Shape::Size => json!("64MB"),
        Shape::List(items) => json!([sample(items)]),
        Shape::MapOf(values) => json!({"name": sample(values)}),
        Shape::Object(object) => required(object),
        Shape::Either(shapes) => sample(&shapes[0]),
    }
}

fn to_json(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(to_json).collect(),
        Kind::Map(pairs) => {
            let pairs = pairs.iter();
            pairs.map(|(k, v)| (k.as_scalar().unwrap().text.clone(), to_json(v))).collect()
        }
        Kind::Scalar(scalar) => match scalar.tag() {
            "!!null" => Value::Null,
            "!!bool" => json!(scalar.truth().unwrap()),
            "!!int" => json!(scalar.unsigned().unwrap()),
            _ => json!(scalar.text),
        },
    }
}

/// Why a document is not what the schema says; knows as much of JSON schema as ours uses.
fn invalid(schema: &Value, document: &Value) -> Option<String> {
    let fields = schema.as_object().unwrap();
    let is_a = |kind: &Value| match kind.as_str().unwrap() {
        "string" => document.is_string(),
        "boolean" => document.is_boolean(),
        "integer" => document.is_u64(),
        "number" => document.is_number(),
        "null" => document.is_null(),
        "array" => document.is_array(),
        "object" => document.is_object(),
        other => panic!("{other}"),
    };
    for (word, said) in fields {
        let wrong = match word.as_str() {
            "$schema" | "title" | "description" => None,
            "type" => {
                let kinds = said.as_array().cloned().unwrap_or_else(|| vec![said.clone()]);
                (!kinds.iter().any(is_a)).then(|| format!("{document} is no {said}"))
            }
            "enum" => {
                let is_one = said.as_array().unwrap().contains(document);
                (!is_one).then(|| format!("{document} is none of {said}"))
            }
            "pattern" => document.as_str().and_then(|text| {
                let regex = regex_automata::meta::Regex::new(said.as_str().unwrap()).unwrap();
                (!regex.is_match(text)).then(|| format!("{text} does not match {said}"))
            }),
            "minimum" => {
                (document.as_u64() < said.as_u64()).then(|| format!("{document} < {said}"))
            }
            "items" => {
                document.as_array().and_then(|all| all.iter().find_map(|one| invalid(said, one)))
            }
            "required" => said.as_array().unwrap().iter().find_map(|name| {
                let is_there = document.get(name.as_str().unwrap()).is_some();
                (!is_there).then(|| format!("{name} is missing"))
            }),
            "properties" => said.as_object().unwrap().iter().find_map(|(name, schema)| {
                document.get(name).and_then(|value| invalid(schema, value))
            }),
            "additionalProperties" => document.as_object().and_then(|document| {
                let known = fields.get("properties").and_then(Value::as_object);
                document.iter().find_map(|(name, value)| match known {
                    Some(known) if known.contains_key(name) => None,
                    _ if *said == json!(false) => Some(format!("{name} is not known")),
                    _ => invalid(said, value),
                })
            }),
            "anyOf" => {
                let mut shapes = said.as_array().unwrap().iter();
                let is_one = shapes.any(|schema| invalid(schema, document).is_none());
                (!is_one).then(|| format!("{document} is none of {said}"))
            }
            other => panic!("the schema says {other}, which the test does not know"),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

/// Pieces of configurations, in any order.
fn scrap() -> impl Strategy<Value = String> {
    let keys = CONFIG.all_keys().into_iter().chain(upstream::UPSTREAM.all_keys());
    let mut pieces: Vec<String> = keys.map(|key| format!("{}:", key.name)).collect();
    let more = [
        "\n",
        "\n- ",
        "\n  ",
        " ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "h",
        "dns+http://h",
        "1m",
        "64MB",
        "7",
        "true",
        "~",
        "'",
        "&a ",
        "*a",
        "<<: ",
        "match: x",
        "gauges: sum",
        "files: [a.json]",
        "\u{e9}",
    ];
    pieces.extend(more.iter().map(|piece| (*piece).to_owned()));
    let piece = proptest::sample::select(pieces);
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever a file holds, reading it ends, and what it is refused for lies in it.
    #[test]
    fn any_text_is_read_or_refused(text in scrap()) {
        if let Err(errors) = parse("f", &text, FilePath::new("")) {
            prop_assert!(errors.iter().next().is_some());
            for error in &errors {
                prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1);
            }
        }
        // What is a file of rules with rules in it is not taken for something else.
        let as_rules = super::super::parse_relabel_file("f", &text);
        if as_rules.is_ok_and(|file| !file.main.rules.is_empty() && file.subsets.is_empty()) {
            prop_assert!(!is_config(&text));
        }
    }
}
