//! A long table: sorted, filtered and paged on the server, by parameters of its address.
//!
//! `?q=TEXT` shows rows whose name contains the text, `?sort=COLUMN` sorts, `?order=desc` reverses,
//! `?page=N` turns pages of [`ROWS`] rows.

use std::cmp::Ordering;

use http::Query;
use http::query::escape_query;
use maud::{Markup, html};

use crate::format::count;
use crate::text::clean;

/// Rows of a page.
pub const ROWS: usize = 100;
/// Longest filter, in bytes.
const FILTER_BYTES_MAX: usize = 200;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name in addresses.
    pub key: &'static str,
    /// Its heading.
    pub words: &'static str,
    /// Explanation on hover; may be empty.
    pub help: &'static str,
    /// True for numbers, which sort from the greatest down at first.
    pub numeric: bool,
    /// True if a narrow screen leaves it out.
    pub wide: bool,
    /// False for a picture, which has no order.
    pub sorts: bool,
}

impl Column {
    /// A column of texts.
    pub const fn text(key: &'static str, words: &'static str) -> Column {
        Column { key, words, help: "", numeric: false, wide: false, sorts: true }
    }

    /// A column of numbers.
    pub const fn number(key: &'static str, words: &'static str, help: &'static str) -> Column {
        Column { key, words, help, numeric: true, wide: false, sorts: true }
    }

    /// A column of pictures, whose heading does not sort.
    pub const fn picture(key: &'static str, words: &'static str) -> Column {
        Column { sorts: false, ..Column::text(key, words) }
    }

    /// Leaves it out on narrow screens.
    #[must_use]
    pub const fn wide(self) -> Column {
        Column { wide: true, ..self }
    }

    /// CSS classes of its cells.
    pub fn class(&self) -> &'static str {
        match (self.numeric, self.wide) {
            (true, true) => "n wide",
            (true, false) => "n",
            (false, true) => "wide",
            (false, false) => "",
        }
    }
}

/// The part of a table that an address asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Text that names must contain; in lower case.
    filter: String,
    sort: String,
    descending: bool,
    /// Number of the page, from zero.
    page: usize,
}

impl Listing {
    /// The listing that `query` asks for; sorted by `column` if it names none.
    pub fn of(query: &Query, column: &Column) -> Listing {
        let sort = query.text("sort").filter(|sort| !sort.is_empty());
        let descending = match (sort, query.text("order")) {
            (_, Some(order)) => order == "desc",
            (None, None) => column.numeric,
            (Some(_), None) => false,
        };
        let filter = query.text("q").unwrap_or_default();
        let page = query.text("page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1);
        Listing {
            filter: filter.chars().take(FILTER_BYTES_MAX).collect::<String>().to_lowercase(),
            sort: sort.unwrap_or(column.key).to_owned(),
            descending,
            page: page.saturating_sub(1),
        }
    }

    /// Column by which rows are sorted.
    pub fn sort(&self) -> &str {
        &self.sort
    }

    /// True if the filter lets a row with this name through.
    pub fn admits(&self, name: &str) -> bool {
        self.filter.is_empty() || name.to_lowercase().contains(&self.filter)
    }

    /// Sorts and cuts out the page; `order` compares two rows by the column of [`Listing::sort`].
    pub fn cut<T>(&self, mut rows: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> Cut<T> {
        rows.sort_by(|a, b| if self.descending { order(b, a) } else { order(a, b) });
        let total = rows.len();
        let pages = total.div_ceil(ROWS).max(1);
        let page = self.page.min(pages - 1);
        let rows = rows.into_iter().skip(page * ROWS).take(ROWS).collect();
        Cut { rows, total, page, pages }
    }

    /// The form with the filter.
    pub fn search(&self, path: &str, words: &str) -> Markup {
        html! {
            form.search method="get" action=(path) role="search" {
                label { span.hidden { (words) } input type="search" name="q" value=(clean(&self.filter)) placeholder=(words) maxlength="200"; }
                button { "Filter" }
                @if !self.filter.is_empty() { a href=(path) { "Show all" } }
            }
        }
    }

    /// The row of headings, which sort.
    pub fn head(&self, path: &str, columns: &[Column]) -> Markup {
        html! {
            thead { tr {
                @for column in columns {
                    @let sorted = column.key == self.sort;
                    @let descending = if sorted { !self.descending } else { column.numeric };
                    @let direction = if self.descending { "descending" } else { "ascending" };
                    th scope="col" class=[Some(column.class()).filter(|class| !class.is_empty())]
                        aria-sort=[sorted.then_some(direction)] title=[Some(column.help).filter(|help| !help.is_empty())] {
                        @if column.sorts {
                            a href=(self.address(path, column.key, descending, 0)) {
                                (column.words)
                                @if sorted { span.arrow aria-hidden="true" { (if self.descending { " ↓" } else { " ↑" }) } }
                            }
                        } @else { (column.words) }
                    }
                }
            } }
        }
    }

    /// Links to the other pages.
    pub fn pager<T>(&self, path: &str, cut: &Cut<T>, noun: &str) -> Markup {
        let to = |page| self.address(path, &self.sort, self.descending, page);
        let first = cut.page * ROWS;
        html! {
            @if cut.pages > 1 {
                nav.pager aria-label=(format!("Pages of {noun}")) {
                    @if cut.page > 0 { a href=(to(cut.page - 1)) rel="prev" { "‹ Previous" } }
                    span { (count(first as u64 + 1)) "–" (count((first + cut.rows.len()) as u64)) " of " (count(cut.total as u64)) " " (noun) }
                    @if cut.page + 1 < cut.pages { a href=(to(cut.page + 1)) rel="next" { "Next ›" } }
                }
            }
        }
    }

    fn address(&self, path: &str, sort: &str, descending: bool, page: usize) -> String {
        let order = if descending { "desc" } else { "asc" };
        let mut address = format!("{path}?sort={sort}&order={order}");
        if !self.filter.is_empty() {
            address += &format!("&q={}", escape_query(&self.filter));
        }
        if page > 0 {
            address += &format!("&page={}", page + 1);
        }
        address
    }
}

/// A page of a table.
#[derive(Debug)]
pub struct Cut<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Rows of all pages.
    pub total: usize,
    /// Number of this page, from zero.
    pub page: usize,
    /// Number of pages, at least one.
    pub pages: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Column = Column::text("name", "Name");
    const DEPTH: Column = Column::number("depth", "Depth", "");

    fn listing(query: &str, column: &Column) -> Listing {
        Listing::of(&Query::parse(query).unwrap(), column)
    }

    #[test]
    fn pages_of_ten_thousand_rows() {
        for (query, first, page) in [
            ("", 9_999, 0),
            ("order=asc", 0, 0),
            ("page=2", 9_899, 1),
            ("sort=depth&order=asc&page=100", 9_900, 99),
            ("page=1000", 99, 99),
            ("page=x", 9_999, 0),
            ("page=0", 9_999, 0),
        ] {
            let cut = listing(query, &DEPTH).cut((0..10_000).collect(), i32::cmp);
            assert_eq!((cut.rows.first(), cut.rows.len(), cut.page), (Some(&first), 100, page), "{query}");
            assert_eq!((cut.total, cut.pages), (10_000, 100));
        }
        let none = listing("", &NAME).cut(Vec::<i32>::new(), i32::cmp);
        assert_eq!((none.pages, none.page), (1, 0));
    }

    #[test]
    fn headings_reverse_the_order() {
        let listing = listing("q=Or%26d", &NAME);
        assert!(listing.admits("fOR&D") && !listing.admits("x"));
        let head = listing.head("/topics", &[NAME, DEPTH]).into_string();
        assert!(head.contains("href=\"/topics?sort=name&amp;order=desc&amp;q=or%26d\""), "{head}");
        assert!(head.contains("href=\"/topics?sort=depth&amp;order=desc&amp;q=or%26d\""), "{head}");
        assert!(head.contains("aria-sort=\"ascending\""), "{head}");
    }

    #[test]
    fn a_picture_does_not_sort() {
        let head = listing("", &NAME).head("/topics", &[NAME, Column::picture("hour", "Last hour")]);
        let head = head.into_string();
        assert!(head.contains("Last hour") && !head.contains("sort=hour"), "{head}");
    }
}
