//! CSV from the same values as JSON, so that the two cannot say different things.

use serde_json::Value;

use super::style::visible;

/// Records as RFC 4180: a header of `columns`, one line a record. A list becomes its elements joined by
/// `;`, an absent value an empty field. A cell that a spreadsheet would run as a formula is written
/// with a leading apostrophe, and what a terminal would obey with `\u{..}`: names in certificates are other people's input.
pub(crate) fn render(columns: &[&str], records: &[Value]) -> Result<String, csv::Error> {
    let mut header = csv::Writer::from_writer(Vec::new());
    header.write_record(columns)?;
    Ok(text(header)? + &lines(columns, records)?)
}

/// The records alone.
pub(super) fn lines(columns: &[&str], records: &[Value]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.write_record(columns.iter().map(|column| field(&record[*column])))?;
    }
    text(writer)
}

fn text(writer: csv::Writer<Vec<u8>>) -> Result<String, csv::Error> {
    let bytes = writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn field(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(field).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    };
    // A terminal obeys what it is sent, and lists are made to be looked at.
    let text = visible(&text);
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if runs { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_quoted_joined_and_harmless() {
        let records = [
            json!({"id": "a,b", "sans": ["DNS:a", "DNS:b"], "n": -3, "by": "=cmd()", "c": "a\u{1b}\n"}),
        ];
        let text = render(&["id", "sans", "n", "absent", "by", "c"], &records).unwrap();
        assert_eq!(text, "id,sans,n,absent,by,c\n\"a,b\",DNS:a;DNS:b,-3,,'=cmd(),a\\u{1b}\\u{a}\n");
    }
}
