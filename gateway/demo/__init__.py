"""The main job, shown to someone who is new here: started over SOAP, watched over REST."""
