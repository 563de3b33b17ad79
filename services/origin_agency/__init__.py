"""The agency that gives up an account: information form, remittance, returns."""
