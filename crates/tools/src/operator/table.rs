//! Tables for people: columns as wide as their content, two spaces between them, no trailing spaces.

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    heading: &'static str,
    /// Right-aligned, for numbers.
    right: bool,
}

impl Column {
    pub(super) const fn left(heading: &'static str) -> Column {
        Column { heading, right: false }
    }

    pub(super) const fn right(heading: &'static str) -> Column {
        Column { heading, right: true }
    }
}

/// Formats the table; `none` is the text when there are no rows.
pub(super) fn table<const N: usize>(
    columns: &[Column; N],
    rows: impl Iterator<Item = [String; N]>,
    none: &str,
) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let headings = columns.map(|column| column.heading.to_owned());
    let width = |index: usize| {
        std::iter::once(&headings).chain(&rows).map(|row| row[index].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    std::iter::once(&headings).chain(&rows).map(|row| line(columns, &widths, row)).collect()
}

fn line<const N: usize>(columns: &[Column; N], widths: &[usize; N], row: &[String; N]) -> String {
    let mut line = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(row) {
        if !line.is_empty() {
            line += "  ";
        }
        line += &if column.right { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
    }
    format!("{}\n", line.trim_end())
}
