//! Plots as SVG in the page: bars with their figures, readable without colour and told as text.

use maud::{Markup, html};

const WIDTH: usize = 360;
const HEIGHT: usize = 90;
const LABELS: usize = 14;

/// A bar.
pub(super) struct Bar {
    /// Below it, where there is room.
    pub(super) label: String,
    /// What it is, in full.
    pub(super) told: String,
    pub(super) count: u32,
}

/// Bars of one plot; `told` says in a sentence what they show.
pub(super) fn bars(caption: &str, told: &str, bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or_default().max(1);
    let step = WIDTH.checked_div(bars.len()).unwrap_or(WIDTH);
    let height = |count: u32| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let height = count.saturating_mul(HEIGHT).checked_div(most).unwrap_or_default();
        // What is there is seen.
        if count > 0 { height.max(2) } else { 0 }
    };
    // A label needs room for about five characters.
    let every = bars.len().div_ceil(12).max(1);
    html! {
        figure {
            figcaption { (caption) }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT + LABELS + 12) } role="img" aria-label=(told) {
                @for (place, bar) in bars.iter().enumerate() {
                    @let (x, high) = (place.saturating_mul(step), height(bar.count));
                    @if high > 0 {
                        rect x=(x + 1) y=(HEIGHT + 12 - high) width=(step.saturating_sub(2).max(1)) height=(high) rx="1" {
                            title { (bar.told) ": " (bar.count) }
                        }
                        @if bars.len() <= 12 {
                            text x=(x + step / 2) y=(HEIGHT + 9 - high) text-anchor="middle" { (bar.count) }
                        }
                    }
                    @if place.is_multiple_of(every) {
                        text x=(x + step / 2) y=(HEIGHT + 12 + LABELS - 3) text-anchor="middle" { (bar.label) }
                    }
                }
                line.base x1="0" x2=(WIDTH) y1=(HEIGHT + 12) y2=(HEIGHT + 12) {}
            }
            p.quiet { (told) }
        }
    }
}
