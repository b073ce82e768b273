//! An operation's journal: the truth of what happened, one JSON line an event.
