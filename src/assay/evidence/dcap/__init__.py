"""What SGX and TDX quotes share: signature data, PCK chain, TCB evaluation, the procedure."""
