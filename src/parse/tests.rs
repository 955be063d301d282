use super::*;

#[track_caller]
fn check_error(format: Format, document: &[u8], expect: &str) {
    let mut parser = Parser::new(format);
    let visit = |line: &[u8], entry: Entry<'_>, tokens: &SampleTokens| match entry {
        Entry::Sample => check_labels(line, tokens),
        _ => Ok(()),
    };
    let error = match parser.push(document, visit) {
        Ok(()) => parser.finish(visit).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.to_string(), expect);
}

#[test]
fn an_error_says_where_what_was_expected_and_what_stood_there() {
    for (document, expect) in [
        ("a 1\nb x 2\n", r#"line 2, column 3: expected a number, found "x 2""#),
        ("a{b=\"c\n\nd\"} 1\ne{f} 1", r#"line 4, column 4: expected `=`, found "} 1""#),
        ("a{b=\"c\nd\", e} 1", r#"line 2, column 6: expected `=`, found "} 1""#),
        (
            "\n\n{} 1",
            r#"line 3, column 1: expected a metric name before the labels or, in quotes, among them, found "{} 1""#,
        ),
        (
            "a{b=\"1\",b=\"2\"} 1",
            r#"line 1, column 9: label name occurs twice, found "b=\"2\"} 1""#,
        ),
        (
            "{\"a\", __name__=\"b\"} 1",
            r#"line 1, column 7: label name occurs twice, found "__name__=\"b\"} 1""#,
        ),
        ("# TYPE a b\n", r#"line 1, column 9: expected a metric type, found " b""#),
        ("a", r#"line 1, column 2: expected a value, found """#),
    ] {
        check_error(Format::Text, document.as_bytes(), expect);
    }
    let no_eof = r#"line 2, column 1: expected `# EOF` at the end of the document, found """#;
    check_error(Format::OpenMetrics, b"a 1\n", no_eof);
    let late = r#"line 2, column 1: expected nothing after `# EOF`, found "a 1""#;
    check_error(Format::OpenMetrics, b"# EOF\na 1\n", late);
}

#[test]
fn a_long_quote_is_cut() {
    let document = [b"a{".as_slice(), &[b'b'; 500], b" 1"].concat();
    let mut tokens = SampleTokens::default();
    let error = parse_entry(Format::Text, &document, &mut tokens).unwrap_err();
    assert!(error.locate(1, &document).to_string().len() < 200);
}

#[test]
fn a_line_beyond_the_limit_is_refused_before_it_is_held() {
    let mut parser = Parser::of(Document::new(Format::Text).with_line_bytes_max(1000));
    let result = (0..20).try_for_each(|_| parser.push(&[b'a'; 100], |_, _, _| Ok(())));
    assert_eq!(result.unwrap_err().kind, ParseErrorKind::LineTooLong);
}

#[test]
fn endless_quotes_cost_linear_time() {
    let mut document = b"a{b=\"".to_vec();
    document.resize(8 << 20, b'\n');
    let mut parser = Parser::new(Format::Text);
    for chunk in document.chunks(4096) {
        parser.push(chunk, |_, _, _| Ok(())).unwrap();
    }
    assert_eq!(parser.finish(|_, _, _| Ok(())).unwrap_err().kind, ParseErrorKind::ClosingQuote);
}

#[test]
fn many_labels_cost_little_more_than_each() {
    let labels: Vec<String> = (0..100_000).map(|n| format!("l{n}=\"{n}\"")).collect();
    let line = format!("a{{{}}} 1\n", labels.join(","));
    let mut tokens = SampleTokens::default();
    parse_entry(Format::Text, line.as_bytes(), &mut tokens).unwrap();
    assert_eq!(tokens.labels.len(), 100_000);
    assert_eq!(check_labels(line.as_bytes(), &tokens), Ok(()));
}
