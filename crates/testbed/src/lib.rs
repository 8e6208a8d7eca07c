//! Development only: simulated world, transcripts, real peers in network namespaces.
