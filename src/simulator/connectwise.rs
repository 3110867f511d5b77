//! Simulator of ConnectWise PSA.
