//! How long nothing came, after a connection was lost.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// When payload came out of the tunnel, at either end.
#[derive(Default)]
pub struct Timeline {
    /// When the first of all connections began, then every arrival.
    all: Vec<Instant>,
    /// Of each connection when it began, then its arrivals.
    streams: HashMap<u64, Vec<Instant>>,
}

/// The service was lost, and from when on it could be reached again.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub at: Instant,
    /// `None`: at once.
    pub back: Option<Instant>,
}

/// How long it took to move again, shortest first.
#[derive(Default, Debug)]
pub struct Silences {
    /// Until anything came, on whatever connection.
    pub all: Vec<Duration>,
    /// Until something came on the connection that waited longest.
    pub slowest: Vec<Duration>,
    /// Cuts behind which nothing came at all.
    pub endless: usize,
}

impl Timeline {
    /// A connection on which something is awaited from `at` on.
    pub fn begin(&mut self, stream: u64, at: Instant) {
        if self.all.is_empty() {
            self.all.push(at);
        }
        self.streams.entry(stream).or_default().push(at);
    }

    /// Something came.
    pub fn arrive(&mut self, stream: u64, at: Instant) {
        self.all.push(at);
        self.streams.entry(stream).or_default().push(at);
    }

    /// When the last of it came.
    pub fn end(&self) -> Option<Instant> {
        self.all.iter().max().copied()
    }

    /// The silences behind `cuts`, which are in order.
    pub fn silences(mut self, cuts: &[Cut]) -> Silences {
        self.all.sort_unstable();
        self.streams.values_mut().for_each(|times| times.sort_unstable());
        let mut silences = Silences::default();
        for (index, cut) in cuts.iter().enumerate() {
            let next = cuts.get(index + 1).map(|next| next.at);
            match cut.longest_silence(&self.all, next) {
                Some(silence) => silences.all.push(silence),
                None => silences.endless += 1,
            }
            let streams = self.streams.values();
            silences.slowest.extend(streams.filter_map(|it| cut.longest_silence(it, next)).max());
        }
        silences.all.sort_unstable();
        silences.slowest.sort_unstable();
        silences
    }
}

impl Cut {
    /// One of a service that goes away every so often, the first time so long after `began`.
    pub fn of_service(at: Instant, began: Instant, away: Option<Away>) -> Self {
        let back = away.and_then(|Away { every, lasts }| {
            let times = (at - began).as_nanos() / every.as_nanos();
            let back = began + every * u32::try_from(times).ok()? + lasts;
            (times > 0 && at < back).then_some(back)
        });
        Self { at, back }
    }

    /// The longest silence that began before the cut or, while what had arrived before was still
    /// being passed on, soon after; of the time in which the service could be reached. `None` if
    /// nothing is awaited.
    fn longest_silence(&self, times: &[Instant], next: Option<Instant>) -> Option<Duration> {
        let from = self.back.unwrap_or(self.at);
        let soon = from + PASSED_ON;
        let until = next.map_or(soon, |next| next.min(soon)).max(from);
        let behind = times.partition_point(|at| *at < from).saturating_sub(1);
        let pairs = times[behind..].array_windows().take_while(|[begin, _]| *begin <= until);
        pairs.map(|[begin, end]| *end - self.back.map_or(*begin, |back| back.max(*begin))).max()
    }
}

/// A service is away for `lasts` every `every`, for the first time after one whole `every`.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    pub every: Duration,
    pub lasts: Duration,
}

/// So many of a hundred silences are no longer than this one.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

/// For how long after a cut the buffers on the way may still give something.
const PASSED_ON: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The silences of connections that each begin and receive at these milliseconds, with cuts at
    /// these.
    fn silences(streams: &[&[u32]], cuts: &[u32], away: Option<Away>) -> Silences {
        let began = Instant::now();
        let mut timeline = Timeline::default();
        for (stream, times) in (1..).zip(streams) {
            timeline.begin(stream, began + MS * times[0]);
        }
        for (stream, times) in (1..).zip(streams) {
            times[1..].iter().for_each(|at| timeline.arrive(stream, began + MS * *at));
        }
        let cuts = cuts.iter().map(|at| Cut::of_service(began + MS * *at, began, away));
        timeline.silences(&cuts.collect::<Vec<_>>())
    }

    #[test]
    fn a_silence_lasts_from_the_last_arrival_before_it_to_the_first_one_behind() {
        assert_eq!(silences(&[&[0, 10, 40, 50]], &[15], None).all, [MS * 30]);
        // Buffers give something for a while.
        assert_eq!(silences(&[&[0, 10, 20, 60, 65]], &[15], None).all, [MS * 40]);
        // What was long ago, or is long after, is not this cut's; nor is what is the next one's.
        assert_eq!(silences(&[&[0, 50, 60, 70, 330, 900]], &[65], None).all, [MS * 260]);
        assert_eq!(silences(&[&[0, 50, 60, 70, 300, 330, 900]], &[65], None).all, [MS * 230]);
        assert_eq!(silences(&[&[0, 10, 20, 30, 90, 91]], &[15, 25], None).all, [MS * 10, MS * 60]);
    }

    #[test]
    fn a_cut_before_anything_came_counts_from_the_beginning() {
        assert_eq!(silences(&[&[0, 900, 901]], &[15], None).all, [MS * 900]);
    }

    #[test]
    fn a_cut_that_nothing_follows_is_not_passed_over() {
        let silences = silences(&[&[0, 10, 20, 80]], &[15, 90], None);
        assert_eq!((&*silences.all, silences.endless), (&[MS * 60][..], 1));
    }

    #[test]
    fn one_stream_that_stays_stuck_shows() {
        let lively: Vec<_> = (0..60).map(|at| at * 10).collect();
        let silences = silences(&[&lively, &[0, 12, 500], &[0, 5]], &[15], None);
        assert_eq!(silences.all, [MS * 10]);
        assert_eq!(silences.slowest, [MS * 488]);
    }

    #[test]
    fn a_service_that_is_away_counts_from_when_it_is_back() {
        let away = Some(Away { every: MS * 1000, lasts: MS * 300 });
        let times = [0, 10, 998, 1001].into_iter().chain((1340..=2500).step_by(20));
        let times: Vec<_> = times.chain([2529]).collect();
        // The second cut is another one, in between.
        assert_eq!(silences(&[&times], &[1002, 2502], away).all, [MS * 29, MS * 40]);
        // At first it is there.
        assert_eq!(silences(&[&[0, 10, 60]], &[20], away).all, [MS * 50]);
    }

    #[test]
    fn the_worst_of_a_few_is_in_their_99_percent() {
        let of = |n: u32| (1..=n).map(|at| MS * at).collect::<Vec<_>>();
        for n in 1..=99 {
            assert_eq!(percentile(&of(n), 99), Some(MS * n));
        }
        assert_eq!(percentile(&of(100), 99), Some(MS * 99));
        assert_eq!(percentile(&of(250), 99), Some(MS * 248));
        assert_eq!(percentile(&of(5), 50), Some(MS * 3));
        assert_eq!(percentile(&of(5), 100), Some(MS * 5));
        assert_eq!(percentile(&[], 99), None);
    }
}
