//! Where targets are: `url`, `file_sd_configs`, `http_sd_configs`.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use super::http_client;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
use crate::discovery::Source;
use crate::discovery::spec::FILE_REFRESH_INTERVAL;
use crate::discovery::spec::FileSource;
use crate::discovery::spec::HTTP_REFRESH_INTERVAL;
use crate::discovery::spec::HttpSource;
use crate::http::Url;
use std::path::Path as FilePath;

/// One item of `file_sd_configs`.
pub(super) static FILE_SD: Object = Object {
    wanted: "file.SDConfig",
    keys: &[
        Key {
            name: "files",
            shape: Shape::List(&Shape::Text),
            about: "Files, .json, .yml or .yaml; the last part of a path may have one *",
        },
        Key {
            name: "refresh_interval",
            shape: Shape::Duration,
            about: "A file that looks unchanged is read again after this long; default 5m",
        },
    ],
    inline: &[],
    required: &["files"],
};

/// One item of `http_sd_configs`.
pub(super) static HTTP_SD: Object = Object {
    wanted: "http.SDConfig",
    keys: &[
        Key { name: "url", shape: Shape::Text, about: "Where the list is" },
        Key {
            name: "refresh_interval",
            shape: Shape::Duration,
            about: "How often the list is fetched; default 1m",
        },
    ],
    inline: &[&http_client::CLIENT],
    required: &["url"],
};

/// The text of `url`.
pub(super) fn url(node: &Node, path: &Path, report: &mut Report) -> Option<Source> {
    let text = decode::text(node, path, report)?;
    match Source::parse(&text) {
        Ok(source) => Some(source),
        Err(error) => {
            // The text may hold a password.
            report.error(node.at, path, error.to_string());
            None
        }
    }
}

/// The items of `file_sd_configs`.
pub(super) fn file_sd(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Vec<Source> {
    each(node, path, report, |item, path, report| {
        let mut source = FileSource { files: Vec::new(), refresh_interval: FILE_REFRESH_INTERVAL };
        for entry in FILE_SD.fields(item, path, report) {
            let (value, inner) = (entry.value, &path.field(&entry.name));
            match &*entry.name {
                "files" => source.files = files(value, directory, inner, report),
                "refresh_interval" => {
                    let interval = value::duration(value, inner, report);
                    source.refresh_interval = interval.unwrap_or(FILE_REFRESH_INTERVAL);
                }
                _ => shape::forgotten(&entry, path, report),
            }
        }
        Some(Source::Files(source))
    })
}

/// The items of `http_sd_configs`.
pub(super) fn http_sd(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Vec<Source> {
    each(node, path, report, |item, path, report| {
        let mut client = http_client::Reading::new(directory);
        let (mut url, mut refresh_interval) = (None, HTTP_REFRESH_INTERVAL);
        for entry in HTTP_SD.fields(item, path, report) {
            let (value, inner) = (entry.value, &path.field(&entry.name));
            match &*entry.name {
                "url" => {
                    let text = decode::text(value, inner, report)?;
                    let read = Url::parse(&text);
                    url = read.map_err(|e| report.error(value.at, inner, e.to_string())).ok();
                }
                "refresh_interval" => {
                    let interval = value::duration(value, inner, report);
                    refresh_interval = interval.unwrap_or(HTTP_REFRESH_INTERVAL);
                }
                _ if client.field(&entry, path, report) => {}
                _ => shape::forgotten(&entry, path, report),
            }
        }
        Some(Source::Http(Box::new(HttpSource {
            url: url?,
            refresh_interval,
            client: client.finish(),
        })))
    })
}

fn each(
    node: &Node,
    path: &Path,
    report: &mut Report,
    mut item: impl FnMut(&Node, &Path, &mut Report) -> Option<Source>,
) -> Vec<Source> {
    let items = decode::items(node, "a list", None, path, report).unwrap_or_default();
    let items = items.iter().enumerate();
    items.filter_map(|(at, node)| item(node, &path.item(at), report)).collect()
}

fn files(node: &Node, directory: &FilePath, path: &Path, report: &mut Report) -> Vec<String> {
    let names = value::texts(node, path, report);
    if names.is_empty() {
        report.error(
            node.at,
            path,
            "file service discovery config must contain at least one path name",
        );
    }
    for name in &names {
        if !is_pattern(name) {
            let message = format!("path name {name:?} is not valid for file discovery");
            let remedy = "end it with .json, .yml or .yaml, and use one * in its last part at most";
            report.error_with_remedy(node.at, path, message, Some(remedy.to_owned()));
        }
    }
    names.iter().map(|name| directory.join(name).to_string_lossy().into_owned()).collect()
}

/// Prometheus: `^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$`, and one star here.
fn is_pattern(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let behind_star = stem.split_once('*').map_or("", |(_, behind)| behind);
    ["json", "yml", "yaml", "JSON", "YML", "YAML"].contains(&extension)
        && !behind_star.contains(['/', '*'])
}
