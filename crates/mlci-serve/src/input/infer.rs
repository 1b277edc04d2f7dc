//! Inference requests of the Open Inference Protocol, version 2, REST ("Inference Request JSON Object"): one tensor a
//! feature, of shape `[n]` or `[n, 1]`, or one tensor of all features, of shape `[n, features]`.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    Batch, Extras, Field, Layout, Reader, shorten,
    tensor::{Data, Raw, Tensor, assemble, shapes},
    value::Single,
};
use crate::{nearest, refusal::Refusal};

/// A request that was read and checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) id: Option<String>,
    pub(crate) batch: Batch,
}

/// Reads a request to a model whose one output has the name `target`.
pub(crate) fn read(layout: &Layout, target: &str, body: &[u8]) -> Result<Request, Refusal> {
    let mut reader = Reader::new(layout, Extras::Refuse);
    let mut parts = Parts::default();
    reader.read_json(body, |reader, json| json.deserialize_map(Top { reader, parts: &mut parts }))?;
    if let Some(other) = parts.outputs.iter().flatten().find(|output| output.name != target) {
        let name = shorten(&other.name);
        let refusal = Refusal::input(format!("the model has no output `{name}`")).field(&name);
        return Err(refusal.expected(&format!("`{target}`")));
    }
    let tensors =
        parts.inputs.ok_or_else(|| Refusal::input("`inputs` is missing".to_owned()).expected("a list of tensors"))?;
    Ok(Request { id: parts.id, batch: assemble(layout, tensors)? })
}

#[derive(Default)]
struct Parts {
    id: Option<String>,
    inputs: Option<Vec<Tensor>>,
    outputs: Option<Vec<Output>>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
}

struct Top<'a, 's> {
    reader: &'a mut Reader<'s>,
    parts: &'a mut Parts,
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an inference request object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, parts } = self;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => parts.id = Some(map.next_value()?),
                "inputs" if parts.inputs.is_some() => {
                    let refusal = Refusal::input("`inputs` is there twice".to_owned()).field("inputs");
                    return Err(reader.fail(refusal.expected("`inputs` once")));
                }
                "inputs" => parts.inputs = Some(map.next_value_seed(Tensors(reader))?),
                "outputs" => parts.outputs = Some(map.next_value()?),
                "parameters" => drop(map.next_value::<IgnoredAny>()?),
                _ => {
                    let keys = ["id", "parameters", "inputs", "outputs"];
                    let hint = nearest::suggestion(&key, keys.into_iter());
                    let key = shorten(&key);
                    let refusal = Refusal::input(format!("an inference request has no key `{key}`{hint}")).field(&key);
                    return Err(reader.fail(refusal.expected("`id`, `parameters`, `inputs`, `outputs`")));
                }
            }
        }
        Ok(())
    }
}

struct Tensors<'a, 's>(&'a mut Reader<'s>);

impl<'de> DeserializeSeed<'de> for Tensors<'_, '_> {
    type Value = Vec<Tensor>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Tensor>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Tensors<'_, '_> {
    type Value = Vec<Tensor>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tensors")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Tensor>, A::Error> {
        let reader = self.0;
        let mut tensors = Vec::new();
        while let Some(tensor) = seq.next_element_seed(TensorSeed { reader, index: tensors.len() })? {
            tensors.push(tensor);
            // A model has no more inputs than features, so that more is a mistake before it is a heap of memory.
            if tensors.len() > reader.layout.width() {
                let refusal = Refusal::input(format!("more than {} tensors", reader.layout.width()));
                let refusal = refusal.field("inputs").expected(&shapes(reader.layout));
                return Err(reader.fail(refusal));
            }
        }
        Ok(tensors)
    }
}

struct TensorSeed<'a, 's> {
    reader: &'a mut Reader<'s>,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for TensorSeed<'_, '_> {
    type Value = Tensor;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tensor, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TensorSeed<'_, '_> {
    type Value = Tensor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor with `name`, `shape`, `datatype` and `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensor, A::Error> {
        let Self { reader, index } = self;
        let (mut name, mut shape, mut datatype, mut data) = (None::<String>, None::<Vec<u64>>, None::<String>, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => name = Some(map.next_value()?),
                "shape" => shape = Some(map.next_value()?),
                "datatype" => datatype = Some(map.next_value()?),
                "data" => {
                    let label = name.as_deref().map_or_else(|| format!("inputs[{index}].data"), shorten);
                    let feature = name.as_deref().and_then(|name| reader.layout.position(name, index));
                    let width = match shape.as_deref() {
                        Some([_, width]) if *width == reader.layout.width() as u64 => reader.layout.width(),
                        _ => 1,
                    };
                    data = Some(map.next_value_seed(DataSeed { reader, label: &label, feature, width })?);
                }
                // `parameters`, and the extensions that the protocol leaves room for.
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let missing = |part: &str| {
            let refusal = Refusal::input(format!("the tensor inputs[{index}] has no `{part}`"));
            refusal.field(&format!("inputs[{index}].{part}")).expected("`name`, `shape`, `datatype` and `data`")
        };
        let tensor = || {
            Ok(Tensor {
                name: name.ok_or_else(|| missing("name"))?,
                shape: shape.ok_or_else(|| missing("shape"))?,
                datatype: datatype.ok_or_else(|| missing("datatype"))?,
                data: data.ok_or_else(|| missing("data"))?,
            })
        };
        tensor().map_err(|refusal| reader.fail(refusal))
    }
}

/// Reads data that is flat or nested once, row-major. `width` tells the row of a value in messages.
struct DataSeed<'a, 's> {
    reader: &'a mut Reader<'s>,
    label: &'a str,
    feature: Option<usize>,
    width: usize,
}

impl<'de> DeserializeSeed<'de> for DataSeed<'_, '_> {
    type Value = Data;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for DataSeed<'_, '_> {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Data, A::Error> {
        let mut data = Data::default();
        let mut outer = 0_usize;
        // Named once: a name a value would be an allocation a value.
        self.reader.field = self.feature.map_or_else(|| Field::Tensor(self.label.to_owned()), Field::Feature);
        while let Some(item) = seq.next_element_seed(Item { seed: &mut self, data: &mut data })? {
            // A list after bare numbers is as uneven as one of another length.
            let even = match item {
                Some(length) => (outer == 0 || data.inner.is_some()) && *data.inner.get_or_insert(length) == length,
                None => data.inner.is_none(),
            };
            if !even {
                let label = self.label;
                let refusal = Refusal::at(Some(outer), format!("the data of `{label}` is uneven")).field(label);
                return Err(self.reader.fail(refusal.expected("a flat list, or lists of one length")));
            }
            outer += 1;
        }
        Ok(data)
    }
}

/// A value, or a list of values; its length is the result then.
struct Item<'b, 'a, 's> {
    seed: &'b mut DataSeed<'a, 's>,
    data: &'b mut Data,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_, '_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Option<usize>, E> {
        let value = Element { seed: self.seed, index: self.data.values.len() }.visit_f64(value)?;
        self.data.push(value);
        Ok(None)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Option<usize>, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Option<usize>, E> {
        self.visit_f64(value as f64)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Option<usize>, E> {
        let value = Element { seed: self.seed, index: self.data.values.len() }.visit_bool(value)?;
        self.data.push(value);
        Ok(None)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Option<usize>, E> {
        self.data.push(Raw::Text(value.to_owned()));
        Ok(None)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<usize>, E> {
        self.data.push(Raw::Missing);
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<usize>, A::Error> {
        let before = self.data.values.len();
        loop {
            let index = self.data.values.len();
            let Some(value) = seq.next_element_seed(Element { seed: &mut *self.seed, index })? else { break };
            self.data.push(value);
        }
        Ok(Some(self.data.values.len() - before))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<usize>, A::Error> {
        Element { seed: self.seed, index: self.data.values.len() }.visit_map(map).map(|_| None)
    }
}

/// One element of the data. What features of texts have is taken as it comes, since the name of the tensor may come
/// after its data.
struct Element<'b, 'a, 's> {
    seed: &'b mut DataSeed<'a, 's>,
    index: usize,
}

impl Element<'_, '_, '_> {
    /// Says where the value stands; whether it is one of a feature of numbers, which is checked at once.
    fn stand(&mut self) -> bool {
        let (index, width) = (self.index, self.seed.width);
        self.seed.reader.row = index / width;
        if width > 1 {
            self.seed.reader.field = Field::Feature(index % width);
        }
        !matches!(self.seed.reader.field, Field::Feature(feature) if self.seed.reader.layout.is_text(feature))
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_, '_> {
    type Value = Raw;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, '_, '_> {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<Raw, E> {
        if self.stand() { Single(self.seed.reader).visit_f64(value).map(Raw::Number) } else { Ok(Raw::Number(value)) }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Raw, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Raw, E> {
        self.visit_f64(value as f64)
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<Raw, E> {
        if self.stand() {
            Single(self.seed.reader).visit_bool(value).map(Raw::Number)
        } else {
            Ok(Raw::Text(value.to_string()))
        }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, seq: A) -> Result<Raw, A::Error> {
        self.stand();
        Single(self.seed.reader).visit_seq(seq).map(Raw::Number)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<Raw, A::Error> {
        self.stand();
        Single(self.seed.reader).visit_map(map).map(Raw::Number)
    }
}
