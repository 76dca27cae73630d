//! Whose turn it is to send.

use super::*;

fn client() -> Mux {
    Mux::new(Config::new(Role::Client))
}

#[test]
fn turns_go_round() {
    let mut mux = client();
    let [a, b, c] = [(); 3].map(|()| mux.open().unwrap());
    for id in [a, b, a, c, b] {
        mux.mark_ready(id);
    }
    assert_eq!(mux.next_turn(), Some(a));
    mux.mark_ready(a);
    assert_eq!(mux.next_turn(), Some(b));
    mux.mark_ready(b);
    mux.finish(a);
    mux.mark_ready(a);
    assert_eq!(mux.next_turn(), Some(c));
    assert_eq!(mux.next_turn(), Some(b));
    assert_eq!(mux.next_turn(), None);
}

#[test]
fn a_stream_that_was_silent_goes_first_and_once() {
    let mut mux = client();
    let [a, b, typed] = [0; 3].map(|_| mux.open().unwrap());
    for id in [a, b] {
        mux.mark_ready(id);
    }
    mux.mark_woken(typed);
    assert_eq!(mux.next_turn(), Some(typed));
    mux.mark_ready(typed);
    mux.mark_woken(typed);
    assert_eq!(mux.next_fresh_turn(), None, "it has had its turn");
    assert_eq!([0; 3].map(|_| mux.next_turn()), [Some(a), Some(b), Some(typed)]);
    mux.mark_woken(typed);
    mux.mark_ready(a);
    assert_eq!(mux.next_fresh_turn(), Some(typed));
    assert_eq!(mux.next_fresh_turn(), None);
    assert_eq!(mux.next_turn(), Some(a));
}

#[test]
fn the_frame_that_means_nothing_is_the_keepalive() {
    let mut mux = client();
    mux.send_keepalive();
    assert_eq!(mux.poll_control(), Some(NOP));
}
