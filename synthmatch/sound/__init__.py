"""What is measured of a sound, without any network: numpy alone, but for loudness."""
