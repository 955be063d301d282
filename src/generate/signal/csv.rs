//! A column of a CSV text.

/// Read a column, by name or by zero-based number; an empty field is a missing sample.
///
/// Fields are separated by commas and may stand in double quotes, in which `""` is a quote. The
/// first line is a header where its field of this column is no number. Empty lines are skipped.
///
/// # Errors
/// No such column, or a field that is no number, with its line.
pub(super) fn column(text: &str, column: &str) -> Result<Vec<Option<f64>>, String> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).peekable();
    let Some((_, first)) = lines.peek() else { return Err("the text is empty".to_owned()) };
    let names = fields(first);
    let by_number = column.parse().ok().filter(|number| *number < names.len());
    let Some(at) = by_number.or_else(|| names.iter().position(|name| name == column)) else {
        let known = names.join(", ");
        return Err(format!("there is no column {column:?}: the first line has {known}"));
    };
    if number(&names[at]).is_none_or(|value| value.is_none()) {
        lines.next();
    }
    lines
        .map(|(line, text)| {
            let fields = fields(text);
            let field = fields.get(at).map_or("", String::as_str);
            number(field).ok_or_else(|| format!("line {line}: {field:?} is no number"))
        })
        .collect()
}

/// `Some(None)` for an empty field.
#[expect(clippy::option_option, reason = "no number, no sample, and a sample")]
fn number(field: &str) -> Option<Option<f64>> {
    let field = field.trim();
    match field {
        "" | "null" => Some(None),
        _ => crate::model::number::parse_value(field.as_bytes()).map(Some),
    }
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields.last_mut().into_iter().for_each(|field| field.push('"'));
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_names_or_numbers() {
        let text = "time,\"a, \"\"b\"\"\",c\r\n1,2.5,\n\n2,,3e2\n3,NaN\n";
        let spelt = |name: &str| format!("{:?}", column(text, name));
        assert_eq!(spelt("c"), "Ok([None, Some(300.0), None])");
        assert_eq!(spelt("a, \"b\""), "Ok([Some(2.5), None, Some(NaN)])");
        assert_eq!(spelt("1"), spelt("a, \"b\""));
        assert_eq!(format!("{:?}", column("1,2\n3,4", "1")), "Ok([Some(2.0), Some(4.0)])");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(column("", "x").unwrap_err(), "the text is empty");
        let error = column("a,b\n1,2\n", "c").unwrap_err();
        assert_eq!(error, "there is no column \"c\": the first line has a, b");
        assert_eq!(column("a\n1\nx\n", "a").unwrap_err(), "line 3: \"x\" is no number");
    }
}
