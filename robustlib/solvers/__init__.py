"""Optimisation that knows no network: programs whose answers others rely on."""
