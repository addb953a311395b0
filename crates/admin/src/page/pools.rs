//! All pools, a row each.

use maud::{Markup, html};
use ui::Level;
use ui::parts::{empty, scroll};
use ui::pools::{Place, columns, pool_cells, pool_state};

use super::Site;

/// `/pools`.
pub(crate) fn pools(site: &Site<'_>) -> Markup {
    let content = html! {
        section #pools data-live {
            @if site.status.pools.is_empty() {
                (empty("No pool is configured.", html! {
                    "A section " code { "[pool.NAME]" } " of the configuration makes one; reload it afterwards: "
                    a href="/configuration" { "Configuration" } "."
                }))
            } @else {
                (scroll("Pools", table(site)))
            }
        }
    };
    site.page("pools", "Pools", &[], content)
}

/// The table of pools.
pub(super) fn table(site: &Site<'_>) -> Markup {
    let history = |subject: &[&str], measure: &str| site.series(subject, measure);
    let here = Place::here();
    let place = here.with_series(&history);
    html! {
        table {
            thead { tr { (columns()) } }
            tbody {
                @for pool in &site.status.pools {
                    @let (level, _) = pool_state(pool);
                    tr.(if level == Level::Well { "" } else { level.class() }) { (pool_cells(&place, pool)) }
                }
            }
        }
    }
}
