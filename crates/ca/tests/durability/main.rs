//! What survives a crash, what is on the disk before what, and what does not grow.

mod batch_faults;
mod batches;
mod child;
mod crash;
mod faults;
mod fixture;
mod growth;
mod order;
mod processes;
