use super::*;

/// The message for a pattern Go refuses, as Go 1.26 words it.
#[track_caller]
fn check_refused(pattern: &str, reason: &str, fragment: &str) {
    let head: String = pattern.chars().take(40).collect();
    let found = parse(pattern).map(|_| ()).map_err(|error| error.to_string());
    let want = format!("error parsing regexp: {reason}: `{fragment}`");
    assert!(found == Err(want), "{head:?}: {:.200}", format!("{found:?}"));
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    check_refused("^(?s:()$", MISSING_PAREN, "^(?s:()$");
    check_refused("a)", UNEXPECTED_PAREN, "a)");
    check_refused("a{1001}", BAD_COUNT, "{1001}");
    check_refused("a{2,1}?", BAD_COUNT, "{2,1}");
    check_refused("(a{1000}){2}", BAD_COUNT, "{2}");
    check_refused("(a{100}){11}?", BAD_COUNT, "{11}?");
    check_refused("(?:a{1,500}){3}", BAD_COUNT, "{3}");
    check_refused("a**", BAD_REPEAT, "**");
    check_refused("a*??", BAD_REPEAT, "*??");
    check_refused("a{2}{3}", BAD_REPEAT, "{2}{3}");
    check_refused("(*)", NO_ARGUMENT, "*");
    check_refused("a|+?", NO_ARGUMENT, "+?");
    check_refused("{1}", NO_ARGUMENT, "{1}");
    check_refused("[[:foo:]]", BAD_RANGE, "[:foo:]");
    check_refused("[a--b]", BAD_RANGE, "a--");
    check_refused("[z-a]", BAD_RANGE, "z-a");
    check_refused("x[a", MISSING_BRACKET, "[a");
    check_refused("[]", MISSING_BRACKET, "[]");
    check_refused("(?x)", BAD_PERL, "(?x");
    check_refused("(?-)", BAD_PERL, "(?-)");
    check_refused("(?=a)", BAD_PERL, "(?=");
    check_refused("(?P=n)", BAD_PERL, "(?P");
    check_refused("(?P<é>a)", BAD_NAME, "(?P<é>");
    check_refused("(?<n", BAD_NAME, "(?<n");
    check_refused("\\u0041", BAD_ESCAPE, "\\u");
    check_refused("\\8", BAD_ESCAPE, "\\8");
    check_refused("\\1", BAD_ESCAPE, "\\1");
    check_refused("\\C", BAD_ESCAPE, "\\C");
    check_refused("\\x4", BAD_ESCAPE, "\\x4");
    check_refused("\\x{110000}", BAD_ESCAPE, "\\x{110000");
    check_refused("a\\", TRAILING_BACKSLASH, "");
    check_refused("[\\Qa]", BAD_ESCAPE, "\\Q");
}

#[test]
fn only_categories_and_scripts_have_names() {
    for name in ["Greek", "greek", "Lu", "L", "Any", "Cs", "Letter", "LC", "ASCII", "Assigned"] {
        assert!(parse(&format!("\\p{{{name}}}")).is_ok(), "{name}");
    }
    for name in
        ["sc=Greek", "gc=Lu", "Alphabetic", "Emoji", "Zyyy", "IsGreek", "Grek", "", "é", "L&"]
    {
        check_refused(&format!("\\p{{{name}}}"), BAD_RANGE, &format!("\\p{{{name}}}"));
    }
    assert!(parse("\\pN\\PL\\p{^Greek}").is_ok());
}

#[test]
fn nesting_is_bounded() {
    let nested = |n| "(".repeat(n) + "a" + &")".repeat(n);
    assert!(parse(&nested(999)).is_ok());
    let too_deep = nested(1001);
    check_refused(&too_deep, TOO_DEEP, &too_deep);
}

#[test]
fn the_size_is_bounded() {
    let large = "(a{1000})".repeat(3400);
    check_refused(&large, TOO_LARGE, &large);
}
