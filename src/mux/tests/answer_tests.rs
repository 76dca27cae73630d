//! A local side that has finished and is known to wait.

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(1);

fn waiting_since(t0: Instant) -> Mux {
    let mut mux = client_with_stream();
    mux.await_answer(A, PATIENCE);
    mux.handle_delivered(A, t0);
    mux
}

/// Nothing happens until `at`, and then the owner is told, once.
fn is_told_at(mux: &mut Mux, at: Instant) {
    mux.handle_timeout(at - MOMENT);
    assert_eq!(events(mux), []);
    mux.handle_timeout(at);
    assert_eq!(events(mux), [Event::Unanswered(A)]);
    assert!(!mux.has_control() && mux.contains(A), "what becomes of it is the owner's to say");
    assert_eq!(mux.poll_timeout(), None);
}

#[test]
fn the_first_of_an_answer_has_four_times_the_patience_of_the_rest() {
    let t0 = start();
    let mut mux = waiting_since(t0);
    assert_eq!(mux.poll_timeout(), Some(t0 + 4 * PATIENCE));
    is_told_at(&mut mux, t0 + 4 * PATIENCE);

    let mut mux = waiting_since(t0);
    let begun = t0 + 3 * PATIENCE;
    feed_at(&mut mux, &[psh(A, b"begun")], begun);
    assert_eq!(mux.poll_timeout(), Some(begun + PATIENCE));
    assert_eq!(events(&mut mux), [Event::Readable(A)]);
    received(&mut mux, A);
    feed_at(&mut mux, &[psh(A, b"goes on")], begun + PATIENCE / 2);
    received(&mut mux, A);
    mux.handle_timeout(begun + PATIENCE);
    events(&mut mux);
    is_told_at(&mut mux, begun + PATIENCE / 2 + PATIENCE);
}

#[test]
fn an_answer_that_ends_or_waits_to_be_read_is_not_missed() {
    let t0 = start();
    let mut mux = waiting_since(t0);
    feed_at(&mut mux, &[psh(A, b"answer")], t0);
    mux.handle_timeout(t0 + PATIENCE);
    assert_eq!(events(&mut mux), [Event::Readable(A)]);
    assert_eq!(mux.poll_timeout(), Some(t0 + 2 * PATIENCE), "its reader takes its time");
    received(&mut mux, A);
    // At the last moment.
    mux.handle_timeout(t0 + 2 * PATIENCE);
    feed_at(&mut mux, &[fin(A)], t0 + 2 * PATIENCE);
    assert_eq!(events(&mut mux), [Event::Finished(A)]);
    assert_eq!(control(&mut mux), [fin(A)]);
}

#[test]
fn patience_counts_anew_with_a_new_carrier_and_not_before_the_request_is_delivered() {
    let t0 = start();
    let mut mux = client_with_stream();
    mux.await_answer(A, PATIENCE);
    mux.handle_timeout(t0 + 9 * PATIENCE);
    assert_eq!((events(&mut mux), mux.poll_timeout()), (vec![], None));
    mux.handle_delivered(A, t0 + 9 * PATIENCE);
    mux.handle_reconnected(t0 + 12 * PATIENCE);
    mux.handle_timeout(t0 + 13 * PATIENCE);
    is_told_at(&mut mux, t0 + 16 * PATIENCE);
}

#[test]
fn one_that_is_given_up_leaves_nothing_behind() {
    let t0 = start();
    let mut mux = waiting_since(t0);
    mux.handle_timeout(t0 + 4 * PATIENCE);
    mux.reset(A);
    assert_eq!((events(&mut mux), control(&mut mux)), (vec![], vec![fin(A)]));
    assert_eq!((mux.stream_count(), mux.poll_timeout()), (0, None));
}
