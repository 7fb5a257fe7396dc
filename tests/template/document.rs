//! The template as JSON, with CloudFormation's short tags expanded: `!Ref x` as `{"Ref": "x"}`, `!Sub x` as
//! `{"Fn::Sub": "x"}`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};
use xtask::paths::workspace_root;

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) kind: String,
    body: Value,
}

impl Resource {
    /// A property by its JSON pointer; null if there is none.
    pub(crate) fn property(&self, pointer: &str) -> &Value {
        self.body.get("Properties").and_then(|properties| properties.pointer(pointer)).unwrap_or(&Value::Null)
    }

    /// A text of the metadata; empty if there is none.
    pub(crate) fn metadata(&self, name: &str) -> &str {
        self.body["Metadata"][name].as_str().unwrap_or_default()
    }

    /// A number among the properties.
    pub(crate) fn number(&self, pointer: &str) -> Option<u64> {
        self.property(pointer).as_u64()
    }
}

#[derive(Debug)]
pub(crate) struct Template {
    body: Value,
    pub(crate) resources: BTreeMap<String, Resource>,
}

impl Template {
    /// Reads the template once per process.
    pub(crate) fn read() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            let text = fs::read_to_string(workspace_root().join("template.yaml")).expect("the template is there");
            Self::parse(&text)
        })
    }

    fn parse(text: &str) -> Self {
        let documents = Yaml::load_from_str(text).expect("the template is YAML");
        let [document] = documents.as_slice() else { panic!("the template is {} documents", documents.len()) };
        let body = as_json(document);
        let resources = body["Resources"].as_object().expect("the template has resources");
        let resources = resources
            .iter()
            .map(|(name, body)| {
                let kind = body["Type"].as_str().expect("a resource has a type").to_owned();
                (name.clone(), Resource { kind, body: body.clone() })
            })
            .collect();
        Self { body, resources }
    }

    /// A part of the template by its JSON pointer; null if there is none.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// All resources of a type; the test fails if there are none, because it would then prove nothing.
    pub(crate) fn all(&self, kind: &str) -> Vec<(&str, &Resource)> {
        let found: Vec<_> = self
            .resources
            .iter()
            .filter(|(_, resource)| resource.kind == kind)
            .map(|(name, resource)| (name.as_str(), resource))
            .collect();
        assert!(!found.is_empty(), "the template has no {kind}");
        found
    }

    pub(crate) fn resource(&self, name: &str) -> &Resource {
        self.resources.get(name).unwrap_or_else(|| panic!("the template has no {name}"))
    }

    /// A function's timeout, in seconds.
    pub(crate) fn timeout(&self, function: &Resource) -> u64 {
        function
            .number("/Timeout")
            .or_else(|| self.at("/Globals/Function/Timeout").as_u64())
            .expect("a function has a timeout")
    }

    /// The queues that trigger functions: the function's name, the function, the queue's name and the event source's
    /// properties.
    pub(crate) fn queue_sources(&self) -> Vec<(&str, &Resource, String, &Value)> {
        let mut sources = Vec::new();
        for (name, source) in self.all("AWS::Lambda::EventSourceMapping") {
            let function = target(source.property("/FunctionName")).expect("a source names its function");
            let (name, function) =
                self.resources.get_key_value(&function).unwrap_or_else(|| panic!("{name} feeds nothing"));
            let queue = target(source.property("/EventSourceArn")).expect("a source names its queue");
            sources.push((name.as_str(), function, queue, source.property("")));
        }
        assert!(sources.len() >= 6, "only {} queues feed functions", sources.len());
        sources
    }
}

/// The resource that a `Ref` or `Fn::GetAtt` names.
pub(crate) fn target(value: &Value) -> Option<String> {
    let named = value.get("Ref").or_else(|| value.get("Fn::GetAtt"))?.as_str()?;
    Some(named.split('.').next().unwrap_or(named).to_owned())
}

fn as_json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(scalar) => scalar_as_json(scalar),
        Yaml::Sequence(items) => items.iter().map(as_json).collect(),
        Yaml::Mapping(members) => {
            let pairs =
                members.iter().map(|(key, value)| (key.as_str().expect("keys are texts").to_owned(), as_json(value)));
            Value::Object(pairs.collect())
        }
        Yaml::Tagged(tag, inner) => {
            let name = match tag.suffix.as_str() {
                "Ref" | "Condition" => tag.suffix.clone(),
                suffix => format!("Fn::{suffix}"),
            };
            json!({name: as_json(inner)})
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => panic!("not expected in a template: {node:?}"),
    }
}

fn scalar_as_json(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(text) => json!(text),
    }
}

#[test]
fn short_tags_are_read_as_cloudformation_writes_them_out() {
    let text = "Resources: {A: {Type: T, Properties: {X: !Ref B, Y: !GetAtt C.Arn, Z: !If [P, 1, [!Sub \"${D}\"]]}}}";
    let template = Template::parse(text);
    let resource = template.resource("A");
    assert_eq!(target(resource.property("/X")).as_deref(), Some("B"));
    assert_eq!(target(resource.property("/Y")).as_deref(), Some("C"));
    assert_eq!(resource.property("/Z"), &json!({"Fn::If": ["P", 1, [{"Fn::Sub": "${D}"}]]}));
}
