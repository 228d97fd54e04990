//! The list of all tests of the suite. The compiler reports a test that is not listed, because nothing calls it.

/// Makes one test of each for the store at `$place`, and adds the model test.
macro_rules! conformance {
    ($place:path) => {
        conformance! { $place:
            acceptance {
                of_a_hundred_that_come_at_once_one_is_accepted
                a_message_twice_in_one_callback_is_one_alert
                a_known_message_that_says_something_else_is_a_conflict
                ids_sort_by_acceptance_even_when_the_clock_steps_back
                an_id_that_was_never_given_finds_nothing
                an_episode_runs_from_firing_to_resolved_and_a_later_firing_begins_a_new_one
                a_place_is_never_given_twice_even_when_every_alert_was_pruned
                a_place_is_never_given_twice_where_an_older_alert_outlives_newer_ones
                a_closed_store_refuses_and_says_so
                an_arrival_comes_back_with_each_of_its_alerts
                callbacks_are_listed_newest_first_with_their_first_alert
            }
            deliveries {
                every_write_changes_the_version_and_a_restart_too
                what_is_owed_is_listed_in_order_of_acceptance_until_it_is_settled
                a_dead_letter_is_kept_with_its_reason_and_can_be_sent_again_once
                settling_what_an_operator_dropped_changes_nothing
                an_attempt_keeps_the_first_200_bytes_of_its_reason_and_cuts_no_character
            }
            audit {
                an_act_is_written_with_its_effect_or_not_at_all
                the_parts_of_one_act_are_one_row_with_their_sum
                what_operators_did_is_listed_newest_first_by_who_what_and_when
                an_act_is_kept_for_a_year_longer_than_alerts
            }
            episodes {
                what_fires_is_listed_by_its_newest_alert_and_counted_by_severity
                what_fires_is_the_same_after_a_crash
                an_alert_comes_with_the_firing_that_opened_its_episode_and_whether_that_is_open
                a_handle_comes_back_with_later_alerts_of_its_sink_and_episode_only
                a_handle_outlives_its_opening_while_the_episode_is_open_or_its_end_is_pending
                a_handle_that_is_too_long_is_not_kept_and_holds_up_nothing
                open_episodes_are_those_with_a_handle_that_have_not_ended
                an_open_episode_whose_opening_was_removed_does_not_end_the_list
            }
            mutes {
                of_two_held_alerts_of_a_problem_the_newer_stays_also_after_a_crash
                a_sink_is_told_of_an_episode_by_the_first_firing_that_it_gets
                the_end_of_an_episode_ends_what_is_held_of_it
                a_held_alert_is_kept_however_old_it_is
                a_silence_is_listed_until_it_ends_and_ends_once
            }
            plans {
                a_recovery_goes_where_its_firing_went
                a_recovery_goes_where_its_firing_went_also_after_a_restart_and_a_crash
                a_later_firing_adds_its_sinks_and_goes_to_all
                a_recovery_without_a_known_firing_goes_to_its_own_sinks
                several_alerts_of_one_problem_that_come_together_follow_each_other
                a_duplicate_adds_nothing_to_a_plan
                an_operator_names_the_sinks_of_an_alert
            }
            retention {
                an_alert_is_there_after_the_process_died_without_closing
                every_kept_alert_is_readable_after_many_batches_and_a_restart
                alerts_are_listed_newest_first_by_what_is_asked
                a_reader_that_follows_meets_each_alert_once_and_in_order
                a_quarantined_callback_keeps_its_bytes_and_is_released_once
                pruning_removes_what_is_old_and_never_what_is_owed_or_dead
            }
            search {
                a_list_has_what_arrived_in_a_time_also_when_the_clock_was_set_back
                a_time_is_found_where_alerts_were_pruned
                a_rare_problem_is_found_among_many_also_after_a_crash_and_pruning
                words_and_labels_are_found_in_the_text_of_an_alert
                an_alert_is_found_by_a_sink_that_it_is_pending_for_or_was_sent_to
                a_search_whose_patience_is_over_says_where_it_goes_on
            }
            tallies {
                alerts_are_counted_by_the_minute_of_their_arrival_also_after_a_crash
                alerts_are_counted_by_severity_status_and_source
                minutes_older_than_the_retention_are_not_counted
                one_read_has_the_counts_of_every_source_by_step
            }
        }
        proptest::proptest! {
            // Cases that failed once are run first from then on: their seeds are in `model/mod.regressions`.
            #![proptest_config(crate::suite::model::settings())]

            #[test]
            fn a_store_is_what_its_model_says_wherever_it_dies(steps in crate::suite::model::steps()) {
                crate::suite::model::run::<$place>(&steps);
            }
        }
    };
    ($place:path: $($module:ident { $($test:ident)* })*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $test() {
                crate::suite::$module::$test::<$place>().await;
            })*
        })*
    };
}
