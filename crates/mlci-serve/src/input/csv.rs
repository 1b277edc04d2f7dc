//! `text/csv` (RFC 4180) with a header, as MLflow takes it.

use csv::{ByteRecord, ReaderBuilder};

use super::{Batch, Extras, Layout, Reader, without_mark};
use crate::refusal::Refusal;

pub(crate) fn read(layout: &Layout, body: &[u8]) -> Result<Batch, Refusal> {
    let mut reader = Reader::new(layout, Extras::Ignore);
    let mut table = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(without_mark(body));
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| {
        table.read_byte_record(record).map_err(|error| Refusal::input(format!("the body is not valid CSV: {error}")))
    };

    if !next(&mut record)? {
        return Err(Refusal::input("the body is empty".to_owned()).expected("CSV with a header"));
    }
    let names = record.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|_| Refusal::input("the CSV header is not UTF-8".to_owned()).expected("UTF-8"))?;
    reader.set_header(names.iter().map(|name| name.trim()))?;
    let order = reader.order.take().unwrap_or_default();
    let columns = order.len();
    reader.order = Some(order.clone());

    while next(&mut record)? {
        let start = reader.open_row();
        if record.len() != columns {
            return Err(reader.ragged(record.len()));
        }
        for (feature, text) in order.iter().zip(&record) {
            if let Some(feature) = *feature {
                let text = std::str::from_utf8(text)
                    .map_err(|_| layout.mistyped(reader.row, feature, "bytes that are not UTF-8"))?;
                let value = layout.cell(reader.row, feature, text)?;
                reader.put(start, feature, value)?;
            }
        }
        reader.close_row(start)?;
    }
    reader.finish()
}
