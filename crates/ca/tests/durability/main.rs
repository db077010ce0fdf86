//! What survives a crash, and what is on the disk before what.

mod child;
mod crash;
mod fixture;
mod order;
mod processes;
