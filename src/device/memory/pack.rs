//! Values of known size and lifetime, put into few buffers.

/// What a value takes, and from which node to which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub size: usize,
    pub first: usize,
    pub last: usize,
}

impl Span {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// A place in a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::device) struct Spot {
    pub slot: usize,
    /// First element.
    pub offset: usize,
}

/// What buffers may be used, and what must not share one.
pub(super) struct Rules<'a> {
    /// Sizes of buffers that are there already: they do not grow.
    pub held: &'a [usize],
    /// Most elements of a new one.
    pub most: usize,
    /// For each span those that no kernel may find in the same buffer: a dispatch cannot read and write one.
    pub apart: &'a [Vec<usize>],
}

/// A place for each span, and the sizes of all buffers, those held first. Spans are placed one after the other, each where it makes
/// the buffers grow least, in the closest gap; of several orders the one that ends with the least. Pisarchyk & Lee, *Efficient memory
/// management for deep neural net inference* (2020), §5.2, with several buffers.
pub(super) fn pack(spans: &[Span], rules: &Rules<'_>) -> (Vec<Spot>, Vec<usize>) {
    type Key = fn(&Span) -> (usize, usize);
    let orders: [Key; 4] = [
        |s| (s.size, s.last.saturating_sub(s.first)),
        |s| (s.size.saturating_mul(s.last.saturating_sub(s.first).saturating_add(1)), s.size),
        |s| (s.last.saturating_sub(s.first), s.size),
        |s| (usize::MAX - s.first, s.size),
    ];
    let total = |sizes: &[usize]| sizes[rules.held.len()..].iter().sum::<usize>();
    let mut best: Option<(Vec<Spot>, Vec<usize>)> = None;
    for key in orders {
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|&n| std::cmp::Reverse(key(&spans[n])));
        for _ in 0..ROUNDS {
            let found = in_order(spans, rules, &order);
            let top = |n: usize| found.0[n].offset + spans[n].size == found.1[found.0[n].slot];
            // Those that reach to the end of a buffer choose first in the next round.
            order.sort_by_key(|&n| !top(n));
            if best.as_ref().is_none_or(|(_, sizes)| total(&found.1) < total(sizes)) {
                best = Some(found);
            }
        }
    }
    best.unwrap_or_default()
}

/// Attempts from one order.
const ROUNDS: usize = 6;

fn in_order(spans: &[Span], rules: &Rules<'_>, order: &[usize]) -> (Vec<Spot>, Vec<usize>) {
    let mut places: Vec<Option<Spot>> = vec![None; spans.len()];
    let mut sizes = rules.held.to_vec();
    let mut within: Vec<Vec<usize>> = vec![Vec::new(); sizes.len()];
    for &n in order {
        let size = spans[n].size;
        let near: Vec<usize> = rules.apart[n].iter().filter_map(|&m| Some(places[m]?.slot)).collect();
        let mut best: Option<((usize, usize), Spot)> = None;
        for slot in (0..sizes.len()).filter(|slot| !near.contains(slot)) {
            let mut taken: Vec<(usize, usize)> = Vec::new();
            for &m in within[slot].iter().filter(|&&m| spans[m].meets(&spans[n])) {
                let offset = places[m].map_or(0, |place| place.offset);
                taken.push((offset, offset + spans[m].size));
            }
            let (offset, waste) = gap(&mut taken, size);
            let end = offset + size;
            let (fixed, growth) = (slot < rules.held.len(), end.saturating_sub(sizes[slot]));
            if (fixed && growth > 0) || end > rules.most.max(sizes[slot]) {
                continue;
            }
            let cost = (growth, waste);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, Spot { slot, offset }));
            }
        }
        let place = best.map(|(_, place)| place).unwrap_or_else(|| {
            sizes.push(0);
            within.push(Vec::new());
            Spot { slot: sizes.len() - 1, offset: 0 }
        });
        sizes[place.slot] = sizes[place.slot].max(place.offset + size);
        within[place.slot].push(n);
        places[n] = Some(place);
    }
    (places.into_iter().flatten().collect(), sizes)
}

/// Where `size` elements fit closest between what is taken, and what is left of that gap; behind all of it nothing is.
fn gap(taken: &mut [(usize, usize)], size: usize) -> (usize, usize) {
    taken.sort_unstable();
    let (mut best, mut end) = (None, 0);
    for &(from, to) in taken.iter() {
        if from >= end && from - end >= size {
            let found = (from - end - size, end);
            best = Some(best.map_or(found, |b: (usize, usize)| b.min(found)));
        }
        end = end.max(to);
    }
    best.map_or((end, 0), |(waste, offset)| (offset, waste))
}

/// The most that is held at once.
pub(super) fn largest_cut(spans: &[Span]) -> usize {
    let held = |at: usize| spans.iter().filter(|s| s.first <= at && at <= s.last).map(|s| s.size).sum();
    spans.iter().map(|s| held(s.first)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places by the definition: within their buffers, no two at one place at one time, nothing beside what it must not see.
    fn holds(spans: &[Span], rules: &Rules<'_>) -> (Vec<Spot>, Vec<usize>) {
        let (places, sizes) = pack(spans, rules);
        assert_eq!(places.len(), spans.len());
        assert_eq!(&sizes[..rules.held.len()], rules.held);
        for (n, (place, span)) in places.iter().zip(spans).enumerate() {
            assert!(place.offset + span.size <= sizes[place.slot]);
            for (m, (other, its)) in places.iter().zip(spans).enumerate().filter(|(m, _)| *m != n) {
                let apart = place.offset + span.size <= other.offset || other.offset + its.size <= place.offset;
                assert!(place.slot != other.slot || apart || !span.meets(its), "{n} and {m}");
                assert!(place.slot != other.slot || !rules.apart[n].contains(&m), "{n} beside {m}");
            }
        }
        (places, sizes)
    }

    fn span(size: usize, first: usize, last: usize) -> Span {
        Span { size, first, last }
    }

    #[test]
    fn small_values_make_room_for_a_large_one() {
        // Two of 4 end before one of 8 begins: slots of one size each would take 12.
        let spans = [span(4, 0, 1), span(4, 0, 1), span(8, 2, 3)];
        let (_, sizes) = holds(&spans, &Rules { held: &[], most: 100, apart: &[vec![], vec![], vec![]] });
        assert_eq!(sizes, [8]);
        assert_eq!(largest_cut(&spans), 8);
    }

    #[test]
    fn neighbours_get_buffers_of_their_own() {
        let spans = [span(4, 0, 1), span(4, 1, 2), span(4, 2, 3)];
        let apart = [vec![1], vec![0, 2], vec![1]];
        let (places, sizes) = holds(&spans, &Rules { held: &[], most: 100, apart: &apart });
        assert_eq!((sizes, places[0]), (vec![4, 4], places[2]));
    }

    #[test]
    fn what_is_there_is_used_first_and_never_grown() {
        let spans = [span(4, 0, 1), span(6, 0, 1)];
        let (places, sizes) = holds(&spans, &Rules { held: &[5], most: 100, apart: &[vec![], vec![]] });
        assert_eq!(sizes, [5, 6]);
        assert_eq!(places[0].slot, 0);
        // No buffer is larger than the device takes, but for a value that is.
        let (_, sizes) = holds(&spans, &Rules { held: &[], most: 6, apart: &[vec![], vec![]] });
        assert_eq!(sizes.len(), 2);
    }

    #[test]
    fn any_lifetimes_are_packed_near_the_cut() {
        let draw = |n: u64| crate::rng::Stream::new(n, 0, 0);
        for seed in 0..20 {
            let stream = draw(seed);
            let number = |i: u32, most: f64| (stream.uniform(i) * most) as usize;
            let spans: Vec<Span> = (0..60)
                .map(|i| span(1 + number(3 * i, 50.0), number(3 * i + 1, 40.0), 0))
                .enumerate()
                .map(|(i, s)| Span { last: s.first + number(3 * i as u32 + 2, 12.0), ..s })
                .collect();
            let apart: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
            let (_, sizes) = holds(&spans, &Rules { held: &[], most: usize::MAX, apart: &apart });
            let (total, cut) = (sizes.iter().sum::<usize>(), largest_cut(&spans));
            assert!(total >= cut && total as f64 <= 1.25 * cut as f64, "seed {seed}: {total} for {cut}");
        }
    }
}
