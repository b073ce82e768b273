//! Process identity, process trees and the stop ladder.
