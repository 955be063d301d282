//! Parameters: `${name}` and `${a * b + 1}` in scalars, replaced before anything is decoded.
//!
//! A scalar that is nothing but one `${…}` becomes what stands there, a number or text; inside
//! other text the value is written out. `$${` is a literal `${`. Arithmetic is on whole numbers.

use crate::config::decode;
use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::nearest;
use crate::config::node::Kind;
use crate::config::node::Node;
use crate::config::scalar::Scalar;
use crate::config::scalar::cut;

/// The deepest nesting of parentheses and signs.
const DEPTH_MAX: usize = 32;

/// Names and values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    values: Vec<(String, Scalar)>,
}

impl Parameters {
    /// Read the map under `parameters`, in which later values may use earlier ones, and put `set`
    /// over it. Reports values that are no scalars and settings of what is no parameter.
    pub(super) fn read(node: Option<&Node>, set: &[(String, String)], report: &mut Report) -> Self {
        let mut parameters = Self::default();
        let path = Path::default().field("parameters");
        let entries = node
            .filter(|node| !node.is_null())
            .and_then(|node| decode::fields(node, "a map of parameters", &path, report));
        for entry in entries.unwrap_or_default() {
            let path = path.field(&entry.name);
            let Some(written) = entry.value.as_scalar().filter(|scalar| !scalar.is_null()) else {
                let message = format!("{} cannot be a parameter", entry.value.describe());
                report.error(entry.value.at, &path, message);
                continue;
            };
            let given = set.iter().rev().find(|(name, _)| *name == entry.name);
            let value = match given {
                Some((_, text)) => Scalar { text: text.clone(), is_plain: true, tag: None },
                None => match parameters.replaced(written) {
                    Ok(value) => value,
                    Err(message) => {
                        report.error(entry.value.at, &path, message);
                        continue;
                    }
                },
            };
            parameters.values.push((entry.name, value));
        }
        for (name, _) in set {
            if parameters.get(name).is_none() {
                let message = format!("--set {name}: there is no such parameter");
                let remedy = match parameters.names().as_slice() {
                    [] => "this configuration has none".to_owned(),
                    names => nearest::remedy(name, names),
                };
                let at = node.map_or_else(Default::default, |node| node.at);
                report.error_with_remedy(at, &path, message, Some(remedy));
            }
        }
        parameters
    }

    fn get(&self, name: &str) -> Option<&Scalar> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn names(&self) -> Vec<&str> {
        self.values.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Replace every `${…}` below `node`, keys excepted, reporting what cannot be.
    pub(super) fn replace(&self, node: &mut Node, path: &Path, report: &mut Report) {
        let at = node.at;
        match &mut node.kind {
            Kind::Scalar(scalar) if scalar.text.contains("${") => match self.replaced(scalar) {
                Ok(value) => *scalar = value,
                Err(message) => report.error(at, path, message),
            },
            Kind::Scalar(_) => {}
            Kind::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.replace(item, &path.item(index), report);
                }
            }
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    let name = key.as_scalar().map_or("", |key| key.text.as_str()).to_owned();
                    self.replace(value, &path.field(&name), report);
                }
            }
        }
    }

    fn replaced(&self, scalar: &Scalar) -> Result<Scalar, String> {
        let text = scalar.text.as_str();
        let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        if let Some(expression) = whole.filter(|inner| !inner.contains(['{', '}'])) {
            return self.value(expression);
        }
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, behind)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = behind;
                continue;
            }
            out.push_str(before);
            let (expression, behind) =
                behind.split_once('}').ok_or_else(|| "`${` without a `}`".to_owned())?;
            out.push_str(&self.value(expression)?.text);
            rest = behind;
        }
        out.push_str(rest);
        Ok(Scalar { text: out, ..scalar.clone() })
    }

    /// What stands for an expression: a parameter as it is, or the result of arithmetic.
    fn value(&self, expression: &str) -> Result<Scalar, String> {
        if let Some(value) = self.get(expression.trim()) {
            return Ok(value.clone());
        }
        let mut reader = Reader { rest: expression.trim_start(), parameters: self, depth: 0 };
        let wrong = |message: String| format!("`${{{}}}`: {message}", cut(expression));
        let result = reader.sum().map_err(wrong)?;
        if !reader.rest.is_empty() {
            return Err(wrong(format!("{:?} is not understood", cut(reader.rest))));
        }
        Ok(Scalar { text: result.to_string(), is_plain: true, tag: None })
    }
}

/// A reader of `sum = product (("+" | "-") product)*`, `product = factor (("*" | "/" | "%")
/// factor)*`, `factor = number | name | "-" factor | "(" sum ")"`.
struct Reader<'t> {
    rest: &'t str,
    parameters: &'t Parameters,
    depth: usize,
}

impl Reader<'_> {
    fn sum(&mut self) -> Result<i64, String> {
        let mut left = self.product()?;
        while let Some(sign) = self.take(&['+', '-']) {
            let right = self.product()?;
            let result =
                if sign == '+' { left.checked_add(right) } else { left.checked_sub(right) };
            left = result.ok_or("the result does not fit into 64 bits")?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<i64, String> {
        let mut left = self.factor()?;
        while let Some(sign) = self.take(&['*', '/', '%']) {
            let right = self.factor()?;
            if sign != '*' && right == 0 {
                return Err("division by zero".to_owned());
            }
            let result = match sign {
                '*' => left.checked_mul(right),
                '/' => left.checked_div(right),
                _ => left.checked_rem(right),
            };
            left = result.ok_or("the result does not fit into 64 bits")?;
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("nested more than {DEPTH_MAX} deep"));
        }
        let value = if self.take(&['-']).is_some() {
            self.factor()?.checked_neg().ok_or("the result does not fit into 64 bits")?
        } else if self.take(&['(']).is_some() {
            let value = self.sum()?;
            self.take(&[')']).ok_or("a `)` is missing")?;
            value
        } else {
            self.operand()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn operand(&mut self) -> Result<i64, String> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if word.is_empty() {
            return Err("a number or the name of a parameter is missing".to_owned());
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map_err(|_| format!("{:?} is not a whole number", cut(word)));
        }
        if let Some(value) = self.parameters.get(word) {
            return value.signed().ok_or_else(|| {
                format!("{word} is {:?}, which is not a whole number", cut(&value.text))
            });
        }
        let remedy = match self.parameters.names().as_slice() {
            [] => "name it under `parameters`".to_owned(),
            names => nearest::remedy(word, names),
        };
        Err(format!("there is no parameter {:?}, {remedy}", cut(word)))
    }

    fn take(&mut self, signs: &[char]) -> Option<char> {
        let sign = self.rest.chars().next().filter(|c| signs.contains(c))?;
        self.rest = self.rest.strip_prefix(sign)?.trim_start();
        Some(sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::node::parse;

    fn parameters() -> Parameters {
        let plain = |text: &str| Scalar { text: text.to_owned(), is_plain: true, tag: None };
        let values = [("n", "6"), ("m", "7"), ("host", "web"), ("f", "0.5")];
        Parameters {
            values: values.iter().map(|(name, text)| ((*name).to_owned(), plain(text))).collect(),
        }
    }

    #[track_caller]
    fn check(text: &str, want: Result<&str, &str>) {
        let scalar = Scalar { text: text.to_owned(), is_plain: true, tag: None };
        let got = parameters().replaced(&scalar).map(|scalar| scalar.text);
        match want {
            Ok(want) => assert_eq!(got.as_deref(), Ok(want), "{text}"),
            Err(part) => assert!(got.as_ref().is_err_and(|e| e.contains(part)), "{text}: {got:?}"),
        }
    }

    #[test]
    fn expressions_are_replaced() {
        check("${n}", Ok("6"));
        check("${ n * m }", Ok("42"));
        check("${n+m*2}", Ok("20"));
        check("${(n+m)*2}", Ok("26"));
        check("${-n % 4}", Ok("-2"));
        check("${m / 2}", Ok("3"));
        check("${f}", Ok("0.5"));
        check("${host}-{n}.example", Ok("web-{n}.example"));
        check("${host}-${n}", Ok("web-6"));
        check("$${n} costs $5", Ok("${n} costs $5"));
    }

    #[test]
    fn what_cannot_be_replaced_says_why() {
        check("${x}", Err("there is no parameter \"x\""));
        check("${hots}", Err("did you mean \"host\""));
        check("${host * 2}", Err("host is \"web\", which is not a whole number"));
        check("${n", Err("without a `}`"));
        check("${}", Err("is missing"));
        check("${n n}", Err("is not understood"));
        check("${n / 0}", Err("division by zero"));
        check("${n % 0}", Err("division by zero"));
        check("${9223372036854775807 + 1}", Err("64 bits"));
        check("${99999999999999999999}", Err("is not a whole number"));
        check("${(n}", Err("a `)` is missing"));
        let deep = format!("${{{}}}", "(".repeat(100));
        check(&deep, Err("deep"));
    }

    #[test]
    fn settings_go_over_the_file() {
        let root = parse("parameters: {a: 2, b: '${a * 3}'}").unwrap();
        let Kind::Map(pairs) = &root.kind else { panic!("a map") };
        let mut report = Report::new("f");
        let set = [("a".to_owned(), "5".to_owned())];
        let parameters = Parameters::read(Some(&pairs[0].1), &set, &mut report);
        assert_eq!(parameters.get("b").map(|b| b.text.as_str()), Some("15"));
        Parameters::read(Some(&pairs[0].1), &[("c".to_owned(), "1".to_owned())], &mut report);
        assert!(report.finish().unwrap_err().to_string().contains("--set c"));
    }
}
