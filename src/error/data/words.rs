//! Parts of sentences that several errors share.

pub(super) fn of_content(packed: bool) -> &'static str {
    if packed { " of the unpacked content" } else { "" }
}

pub(super) fn of_array(array: &Option<String>) -> String {
    array.as_ref().map_or_else(String::new, |name| format!(" (array `{name}`)"))
}

pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
