//! What the running agent recorded, replayed: the same bytes each time.

use tests::{
    receiver::Receiver,
    root_or_skip,
    skip::alone,
    verdict::{PERFORMANCE_INDEX_HIGH, Place},
};

#[test]
fn a_recording_of_the_running_agent_is_replayed_to_the_same_bytes() {
    root_or_skip!("a_recording_of_the_running_agent_is_replayed_to_the_same_bytes");
    let _alone = alone();
    // One that holds at once, so that there is something to say.
    let always = "[[rule]]\nname = \"Always\"\nsignal = \"memory_available_share\"\nabove = 0\n";
    let (place, receiver) = (Place::new(&format!("{PERFORMANCE_INDEX_HIGH}{always}")), Receiver::content());
    let agent = place.start(&receiver);
    let learned = [r#"signal="run_queue""#, r#"state="ready""#];
    agent.scrape_until("a baseline", |scrape| scrape.sum("kpulse_baseline_state", &learned).filter(|on| *on > 0.0));
    let file = place.path("a.kpr").display().to_string();
    let record = ["record", "--agent", &format!("http://{}", agent.address), &file];
    let output = place.run(&record);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let once = place.replay(&file, &[]);
    assert!(String::from_utf8_lossy(&once).contains("\"Always\""));
    assert_eq!(once, place.replay(&file, &[]), "two replays");
    // For people, too.
    let judging = place.judging();
    let words = ["replay", "--windows", &file].into_iter().chain(judging.iter().map(String::as_str));
    let words: Vec<_> = words.collect();
    let said = place.run(&words);
    assert_eq!(said.stdout, place.run(&words).stdout, "two replays");
    assert!(String::from_utf8_lossy(&said.stdout).contains("Always"), "{said:?}");
}
