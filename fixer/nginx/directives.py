"""Directives of nginx and its forks: allowed contexts and numbers of arguments in any version. Data.

script/directives.py makes this file of tests/nginx/directive_tables.tsv, where the modules and versions stand. A number
holds argument bits in the low 16 bits and contexts above, as in ngx_conf_file.h; 0x2000: a block or none. Read from:
nginx 1.10.0 to 1.31.5-3f6f7824, angie 1.0.0 to 1.12.1, freenginx 1.27.1, openresty 1.31.1.1, tengine 3.0.0 to 3.2.0."""

from __future__ import annotations

from collections.abc import Mapping


def _table(names: Mapping[tuple[int, ...], str]) -> dict[bytes, tuple[int, ...]]:
    return {name: masks for masks, text in names.items() for name in text.encode().split()}



CORE = _table({
    (0x1000002,): (
        "backtrace_log backtrace_max_stack_size debug_points env google_perftools_profiles load_module lock_file "
        "master_env pid pipe_set_size ssl_engine timer_resolution worker_priority worker_processes "
        "worker_rlimit_core worker_rlimit_nofile worker_shutdown_timeout working_directory "
    ),
    (0x1000006,): (
        "user "
    ),
    (0x100000c,): (
        "thread_pool "
    ),
    (0x1000101,): (
        "events http mail processes stream "
    ),
    (0x1000200,): (
        "daemon master_process pcre_jit quic_bpf ssl_object_cache_inheritable xudp_no_tx xudp_off "
    ),
    (0x1000800,): (
        "error_log max_retries worker_cpu_affinity xquic_log xudp_core_path xudp_rcvnum xudp_retries_interval "
        "xudp_sndnum "
    ),
    (0xff000002,): (
        "include "
    ),
})

EVENTS = _table({
    (0x2000002,): (
        "accept_mutex_delay debug_connection devpoll_changes devpoll_events epoll_events eventport_events "
        "iocp_threads kqueue_changes kqueue_events post_acceptex rtsig_overflow_events rtsig_overflow_test "
        "rtsig_overflow_threshold rtsig_signo use worker_aio_requests worker_connections "
    ),
    (0x2000200,): (
        "accept_mutex acceptex_read multi_accept "
    ),
})

HTTP = _table({
    (0x2000002,): (
        "acme_client_path acme_dns_port acme_dns_ttl acme_http_port acme_max_response_size check_shm_size "
        "degradation docker_endpoint docker_max_object_size dyups_read_msg_timeout dyups_shm_zone_size "
        "dyups_trylock dyups_upstream_conf exit_worker_by_lua_file geoip_proxy http2_recv_buffer_size init_by_lua "
        "init_by_lua_file init_worker_by_lua init_worker_by_lua_file lua_capture_error_log lua_malloc_trim "
        "lua_max_pending_timers lua_max_running_timers lua_package_cpath lua_package_path "
        "lua_regex_cache_max_entries lua_regex_match_limit lua_thread_cache_max_entries "
        "lua_worker_thread_vm_pool_size map_hash_bucket_size map_hash_max_size perl_modules perl_require "
        "rr_discarded_range server_names_hash_bucket_size server_names_hash_max_size spdy_recv_buffer_size "
        "ssl_session_fetch_by_lua_file ssl_session_store_by_lua_file upstream_change_no_server_status "
        "variables_hash_bucket_size variables_hash_max_size xquic_ack_frequency xquic_anti_amplification_limit "
        "xquic_cid_route xquic_congestion_control xquic_conn_hash_size xquic_enable_fec xquic_enable_keylog "
        "xquic_enable_marking_reinjection xquic_enable_mempool_protection xquic_enable_multipath xquic_enable_pmtud "
        "xquic_enable_qlog_event xquic_fec_blk_log_mod xquic_fec_code_rate xquic_fec_conn_queue_rpr_timeout "
        "xquic_fec_decoder_scheme xquic_fec_encoder_scheme xquic_fec_log_on xquic_fec_mp_mode "
        "xquic_fec_packet_mask_mode xquic_fec_stream_level xquic_hash_conflict_threshold xquic_health_check_file "
        "xquic_idle_time_out xquic_init_cwnd_pkt xquic_init_pkt_out_size xquic_init_pto_us xquic_init_rtt_us "
        "xquic_intercom_socket_rcvbuf xquic_intercom_socket_sndbuf xquic_keyupdate_pkt_threshold xquic_log_file "
        "xquic_log_level xquic_manually_send xquic_max_concurrent_connection_cnt xquic_max_cps xquic_max_qps "
        "xquic_max_streams_bidi xquic_max_streams_uni xquic_min_cwnd_pkt xquic_mp_enable_reinjection "
        "xquic_mp_sched_bw_Bps_thr xquic_mp_sched_loss_percent_high xquic_mp_sched_loss_percent_low "
        "xquic_mp_sched_pto_thr xquic_mp_sched_rtt_thr_high xquic_mp_sched_rtt_thr_low xquic_multipath_scheduler "
        "xquic_pacing xquic_path_unreachable_pto_count xquic_pmtud_probing_interval xquic_probing_pkt_out_size "
        "xquic_qlog_event_importance xquic_qpack_compat_duplicate xquic_qpack_decoder_dynamic_table_size "
        "xquic_qpack_encoder_dynamic_table_size xquic_reinj_deadline_lower_bound "
        "xquic_reinj_flexible_deadline_srtt_factor xquic_reinj_hard_deadline xquic_reinjection_control "
        "xquic_server_id_length xquic_server_id_offset xquic_sndq_packets_used_max xquic_socket_rcvbuf "
        "xquic_socket_sndbuf xquic_ssl_certificate xquic_ssl_certificate_key xquic_ssl_session_ticket_key "
        "xquic_standby_path_probe_timeout xquic_stateless_reset_token_key xquic_streams_index_size "
        "xquic_symbol_number_per_block xquic_token_key_file xquic_use_smaller_pto xquic_worker_id_offset "
        "zstd_dict_file "
    ),
    (0x2000004,): (
        "limit_conn_zone lua_fake_shm lua_shared_dict perl_set req_status_zone_key_length time_format "
    ),
    (0x2000006,): (
        "geoip_city geoip_country geoip_org geoip_region "
    ),
    (0x2000008,): (
        "req_status_zone_recycle "
    ),
    (0x200001e,): (
        "xquic_token_key "
    ),
    (0x2000101,): (
        "client exit_worker_by_lua_block init_by_lua_block init_worker_by_lua_block ssl_session_fetch_by_lua_block "
        "ssl_session_store_by_lua_block "
    ),
    (0x2000101, 0x10000800,): (
        "server "
    ),
    (0x2000102,): (
        "prometheus_template tfs_upstream upstream user_agent "
    ),
    (0x2000104,): (
        "charset_map map split_clients "
    ),
    (0x2000106,): (
        "geo "
    ),
    (0x200010e,): (
        "metric_complex_zone "
    ),
    (0x2000200,): (
        "access_by_lua_no_postpone geoip_proxy_recursive lua_load_resty_core lua_sa_restart "
        "precontent_by_lua_no_postpone rewrite_by_lua_no_postpone "
    ),
    (0x2000202,): (
        "dyups_read_msg_log "
    ),
    (0x2000800,): (
        "tfs_block_cache_zone "
    ),
    (0x2001000,): (
        "acme_client fastcgi_cache_path log_format metric_zone proxy_cache_path req_status_zone "
        "req_status_zone_add_indicator scgi_cache_path uwsgi_cache_path "
    ),
    (0x2001008,): (
        "limit_req_zone "
    ),
    (0x4000001,): (
        "proxy_connect "
    ),
    (0x4000002,): (
        "acme "
    ),
    (0x4000800,): (
        "listen proxy_connect_allow server_name "
    ),
    (0x6000002,): (
        "client_header_buffer_size client_header_timeout connection_pool_size http2_body_preread_size "
        "http2_idle_timeout http2_max_concurrent_pushes http2_max_concurrent_streams http2_max_field_size "
        "http2_max_header_size http2_max_requests http2_pool_size http2_recv_timeout http2_streams_index_size "
        "http3_max_concurrent_streams http3_max_table_capacity http3_stream_buffer_size max_headers "
        "proxy_connect_address proxy_connect_connect_timeout proxy_connect_data_timeout proxy_connect_read_timeout "
        "proxy_connect_response proxy_connect_send_lowat proxy_connect_send_timeout quic_active_connection_id_limit "
        "quic_host_key request_pool_size server_admin server_rewrite_by_lua_file spdy_headers_comp "
        "spdy_keepalive_timeout spdy_max_concurrent_streams spdy_pool_size spdy_recv_timeout "
        "spdy_streams_index_size ssl_buffer_size ssl_certificate_by_lua_file ssl_ciphers ssl_client_certificate "
        "ssl_client_hello_by_lua_file ssl_crl ssl_dhparam ssl_ecdh_curve ssl_ech_file ssl_enc_certificate "
        "ssl_enc_certificate_key ssl_encrypted_hello_key ssl_keylog_file ssl_ocsp_cache ssl_ocsp_responder "
        "ssl_password_file ssl_session_ticket_key ssl_session_timeout ssl_sign_certificate ssl_sign_certificate_key "
        "ssl_stapling_file ssl_stapling_responder ssl_trusted_certificate ssl_verify_client ssl_verify_depth "
    ),
    (0x6000002, 0x8000003,): (
        "slice "
    ),
    (0x6000004,): (
        "large_client_header_buffers ssl_conf_command tfs_keepalive "
    ),
    (0x6000006,): (
        "proxy_connect_bind ssl_certificate ssl_certificate_key ssl_session_cache tfs_log "
    ),
    (0x600000e,): (
        "ssl_certificate_cache "
    ),
    (0x6000101,): (
        "server_rewrite_by_lua_block ssl_certificate_by_lua_block ssl_client_hello_by_lua_block "
    ),
    (0x6000200,): (
        "enable_ntls http3 http3_hq ignore_invalid_headers merge_slashes quic_gso quic_retry ssl ssl_async "
        "ssl_certificate_compression ssl_early_data ssl_ntls ssl_prefer_server_ciphers ssl_reject_handshake "
        "ssl_session_tickets ssl_stapling ssl_stapling_verify tfs_enable_remote_block_cache underscores_in_headers "
        "xquic_use_new_udp_hash "
    ),
    (0x6000202,): (
        "http2 ssl_ocsp "
    ),
    (0x6000800,): (
        "client_body_early_read ssl_protocols "
    ),
    (0x8000001,): (
        "debug_conn debug_pool debug_timer dyups_interface empty_gif flv internal mp4 slab_stat "
    ),
    (0x8000002,): (
        "alias api iconv_buffer_size prometheus ssl_verify_client_exception "
    ),
    (0x8000004,): (
        "iconv_filter "
    ),
    (0x8000006,): (
        "acme_hook "
    ),
    (0x800000e,): (
        "image_filter "
    ),
    (0x8000010,): (
        "set_iconv "
    ),
    (0x8000200,): (
        "random_index "
    ),
    (0x8000400,): (
        "req_status_show "
    ),
    (0x8000800,): (
        "req_status_show_field xslt_stylesheet "
    ),
    (0x8000900,): (
        "limit_except "
    ),
    (0xc000002,): (
        "referer_hash_bucket_size referer_hash_max_size "
    ),
    (0xc000003,): (
        "check_status stub_status xquic_status "
    ),
    (0xc000800,): (
        "valid_referers "
    ),
    (0xc000900,): (
        "if "
    ),
    (0xc000906,): (
        "location "
    ),
    (0xc001000,): (
        "try_files "
    ),
    (0xe000002,): (
        "add_after_body add_before_body aio ancient_browser_value auth_delay auth_request auto_redirect "
        "autoindex_format client_body_buffer_size client_body_in_file_only client_body_postpone_size "
        "client_body_timeout client_max_body_size concat_delimiter concat_max_files default_type degrade directio "
        "directio_alignment doh_buffer_size doh_connect_timeout doh_max_size doh_next_upstream_timeout "
        "doh_next_upstream_tries doh_read_timeout doh_send_timeout doh_transport dubbo_buffer_size "
        "dubbo_connect_timeout dubbo_heartbeat_interval dubbo_hide_header dubbo_next_upstream_timeout "
        "dubbo_next_upstream_tries dubbo_pass_header dubbo_read_timeout dubbo_send_timeout fastcgi_buffer_size "
        "fastcgi_busy_buffers_size fastcgi_cache fastcgi_cache_key fastcgi_cache_lock_age "
        "fastcgi_cache_lock_timeout fastcgi_cache_max_range_offset fastcgi_cache_min_uses fastcgi_catch_stderr "
        "fastcgi_connect_timeout fastcgi_connection_drop fastcgi_hide_header fastcgi_index fastcgi_limit_rate "
        "fastcgi_max_temp_file_size fastcgi_next_upstream_timeout fastcgi_next_upstream_tries fastcgi_pass_header "
        "fastcgi_rcvbuf_size fastcgi_read_timeout fastcgi_send_lowat fastcgi_send_timeout fastcgi_sndbuf_size "
        "fastcgi_socket_rcvbuf fastcgi_socket_sndbuf fastcgi_split_path_info fastcgi_store "
        "fastcgi_temp_file_write_size fastcgi_upstream_tries footer grpc_buffer_size grpc_connect_timeout "
        "grpc_connection_drop grpc_enable_ntls grpc_hide_header grpc_next_upstream_timeout grpc_next_upstream_tries "
        "grpc_pass_header grpc_read_timeout grpc_send_timeout grpc_socket_rcvbuf grpc_socket_sndbuf "
        "grpc_ssl_certificate grpc_ssl_certificate_key grpc_ssl_ciphers grpc_ssl_crl grpc_ssl_enc_certificate "
        "grpc_ssl_enc_certificate_key grpc_ssl_name grpc_ssl_password_file grpc_ssl_sign_certificate "
        "grpc_ssl_sign_certificate_key grpc_ssl_trusted_certificate grpc_ssl_verify_depth gzip_comp_level gzip_hash "
        "gzip_http_version gzip_min_length gzip_static gzip_window http2_chunk_size http2_push if_modified_since "
        "image_filter_buffer image_filter_heic_quality image_filter_jpeg_quality image_filter_sharpen "
        "image_filter_webp_quality ingress_failover_named_location ingress_gateway keepalive_min_timeout "
        "limit_conn_log_level limit_conn_status limit_req_log_level limit_req_status lingering_close lingering_time "
        "lingering_timeout lua_ssl_certificate lua_ssl_certificate_key lua_ssl_ciphers lua_ssl_crl lua_ssl_key_log "
        "lua_ssl_trusted_certificate lua_ssl_verify_depth max_ranges memc_buffer_size memc_connect_timeout "
        "memc_read_timeout memc_send_timeout memc_upstream_fail_timeout memc_upstream_max_fails "
        "memcached_buffer_size memcached_connect_timeout memcached_gzip_flag memcached_next_upstream_timeout "
        "memcached_next_upstream_tries memcached_read_timeout memcached_send_timeout memcached_upstream_tries "
        "min_delete_depth mirror modern_browser_value mp4_buffer_size mp4_limit_rate mp4_limit_rate_after "
        "mp4_max_buffer_size open_file_cache_min_uses open_file_cache_valid postpone_gzipping postpone_output "
        "proxy_buffer_size proxy_busy_buffers_size proxy_cache proxy_cache_key proxy_cache_lock_age "
        "proxy_cache_lock_timeout proxy_cache_max_range_offset proxy_cache_min_uses proxy_connect_timeout "
        "proxy_connection_drop proxy_enable_ntls proxy_headers_hash_bucket_size proxy_headers_hash_max_size "
        "proxy_hide_header proxy_http3_max_concurrent_streams proxy_http3_max_table_capacity "
        "proxy_http3_stream_buffer_size proxy_limit_rate proxy_max_temp_file_size proxy_method "
        "proxy_next_upstream_timeout proxy_next_upstream_tries proxy_pass_header "
        "proxy_quic_active_connection_id_limit proxy_quic_host_key proxy_rcvbuf_size proxy_read_timeout "
        "proxy_send_lowat proxy_send_timeout proxy_set_body proxy_sndbuf_size proxy_socket_rcvbuf "
        "proxy_socket_sndbuf proxy_ssl_ciphers proxy_ssl_crl proxy_ssl_enc_certificate "
        "proxy_ssl_enc_certificate_key proxy_ssl_keylog_file proxy_ssl_name proxy_ssl_password_file "
        "proxy_ssl_sign_certificate proxy_ssl_sign_certificate_key proxy_ssl_trusted_certificate "
        "proxy_ssl_verify_depth proxy_store proxy_temp_file_write_size proxy_upstream_tries read_ahead "
        "real_ip_header redis2_bind redis2_buffer_size redis2_connect_timeout redis2_read_timeout "
        "redis2_send_timeout resolver_file satisfy scgi_buffer_size scgi_busy_buffers_size scgi_cache "
        "scgi_cache_key scgi_cache_lock_age scgi_cache_lock_timeout scgi_cache_max_range_offset scgi_cache_min_uses "
        "scgi_connect_timeout scgi_connection_drop scgi_hide_header scgi_limit_rate scgi_max_temp_file_size "
        "scgi_next_upstream_timeout scgi_next_upstream_tries scgi_pass_header scgi_read_timeout scgi_send_timeout "
        "scgi_socket_rcvbuf scgi_socket_sndbuf scgi_store scgi_temp_file_write_size scgi_upstream_tries secure_link "
        "secure_link_md5 secure_link_secret send_lowat send_timeout sendfile_max_chunk server_tag "
        "session_sticky_header session_sticky_hide_cookie set_real_ip_from slice_arg_begin slice_arg_end "
        "slice_footer slice_header spdy_chunk_size srcache_store_hide_header srcache_store_pass_header "
        "ssi_min_file_chunk ssi_value_length subrequest_output_buffer_size sysguard_interval sysguard_log_level "
        "tair_timeout tfs_body_buffer_size tfs_buffer_size tfs_connect_timeout tfs_read_timeout tfs_send_lowat "
        "tfs_send_timeout trim trim_css trim_js tunnel_buffer_size tunnel_connect_timeout "
        "tunnel_next_upstream_timeout tunnel_next_upstream_tries tunnel_read_timeout tunnel_send_lowat "
        "tunnel_send_timeout tunnel_socket_rcvbuf tunnel_socket_sndbuf types_hash_bucket_size types_hash_max_size "
        "userid userid_domain userid_expires userid_mark userid_name userid_p3p userid_path userid_service "
        "uwsgi_buffer_size uwsgi_busy_buffers_size uwsgi_cache uwsgi_cache_background_update uwsgi_cache_key "
        "uwsgi_cache_lock_age uwsgi_cache_lock_timeout uwsgi_cache_max_range_offset uwsgi_cache_min_uses "
        "uwsgi_connect_timeout uwsgi_connection_drop uwsgi_enable_ntls uwsgi_hide_header uwsgi_limit_rate "
        "uwsgi_max_temp_file_size uwsgi_modifier1 uwsgi_modifier2 uwsgi_next_upstream_timeout "
        "uwsgi_next_upstream_tries uwsgi_pass_header uwsgi_read_timeout uwsgi_send_timeout uwsgi_socket_rcvbuf "
        "uwsgi_socket_sndbuf uwsgi_ssl_certificate uwsgi_ssl_certificate_key uwsgi_ssl_ciphers uwsgi_ssl_crl "
        "uwsgi_ssl_enc_certificate uwsgi_ssl_enc_certificate_key uwsgi_ssl_name uwsgi_ssl_password_file "
        "uwsgi_ssl_sign_certificate uwsgi_ssl_sign_certificate_key uwsgi_ssl_trusted_certificate "
        "uwsgi_ssl_verify_depth uwsgi_store uwsgi_string uwsgi_temp_file_write_size uwsgi_upstream_tries "
        "xml_entities zstd_comp_level zstd_static "
    ),
    (0xe000004,): (
        "auth_request_set client_body_buffers fastcgi_buffers grpc_set_header grpc_ssl_conf_command gunzip_buffers "
        "gzip_buffers image_filter_crop_offset ingress_gateway_hash_num ingress_gateway_metadata "
        "ingress_gateway_path_segment_bucket_num ingress_gateway_pool_size ingress_gateway_update_interval "
        "limit_conn limit_req_whitelist lua_ssl_conf_command output_buffers proxy_buffers proxy_set_header "
        "proxy_ssl_conf_command scgi_buffers sub_filter uwsgi_buffers uwsgi_ssl_conf_command xslt_param "
        "xslt_string_param zstd_buffers "
    ),
    (0xe000006,): (
        "disable_symlinks doh_bind dubbo_bind fastcgi_bind grpc_bind image_filter_avif_quality keepalive_disable "
        "memcached_bind modern_browser open_file_cache proxy_bind proxy_cookie_domain proxy_cookie_path "
        "proxy_redirect proxy_ssl_certificate proxy_ssl_certificate_key scgi_bind set_form_input "
        "set_form_input_multi sysguard_load sysguard_mem tunnel_bind uwsgi_bind "
    ),
    (0xe000006, 0x10000002,): (
        "keepalive_timeout "
    ),
    (0xe00000c,): (
        "fastcgi_param metric scgi_param uwsgi_param "
    ),
    (0xe00000e,): (
        "dav_access fastcgi_store_access grpc_ssl_certificate_cache proxy_ssl_certificate_cache proxy_store_access "
        "scgi_store_access sysguard_cpu sysguard_rt userid_flags uwsgi_ssl_certificate_cache uwsgi_store_access "
    ),
    (0xe000010,): (
        "ingress_gateway_shm_config "
    ),
    (0xe00001e,): (
        "client_body_temp_path fastcgi_temp_path limit_req open_log_file_cache proxy_cookie_flags proxy_temp_path "
        "scgi_temp_path uwsgi_temp_path "
    ),
    (0xe000101,): (
        "types "
    ),
    (0xe000200,): (
        "absolute_redirect aio_write api_config_files autoindex autoindex_exact_size autoindex_localtime "
        "chunked_transfer_encoding client_body_in_single_buffer concat concat_ignore_file_error concat_unique "
        "create_full_put_path doh_socket_keepalive dubbo_intercept_errors dubbo_socket_keepalive etag "
        "fastcgi_buffering fastcgi_cache_background_update fastcgi_cache_lock fastcgi_cache_revalidate "
        "fastcgi_force_ranges fastcgi_ignore_client_abort fastcgi_intercept_errors fastcgi_keep_conn "
        "fastcgi_pass_request_body fastcgi_pass_request_headers fastcgi_request_buffering fastcgi_socket_keepalive "
        "grpc_intercept_errors grpc_socket_keepalive grpc_ssl_server_name grpc_ssl_session_reuse grpc_ssl_verify "
        "gunzip gzip_clear_etag gzip_no_buffer gzip_vary http2_push_preload image_filter_interlace "
        "image_filter_transparency limit_conn_dry_run limit_req_dry_run log_escape_non_ascii log_not_found "
        "log_subrequest memcached_socket_keepalive mirror_request_body mp4_start_key_frame msie_padding "
        "msie_refresh open_file_cache_errors open_file_cache_events port_in_redirect proxy_buffering "
        "proxy_cache_background_update proxy_cache_convert_head proxy_cache_lock proxy_cache_revalidate "
        "proxy_force_ranges proxy_http3_hq proxy_ignore_client_abort proxy_intercept_errors proxy_pass_request_body "
        "proxy_pass_request_headers proxy_pass_trailers proxy_quic_gso proxy_request_buffering "
        "proxy_socket_keepalive proxy_ssl_ntls proxy_ssl_server_name proxy_ssl_session_reuse proxy_ssl_verify "
        "real_ip_recursive recursive_error_pages req_status_lazy request_time_cache reset_timedout_connection "
        "retry_cached_connection scgi_buffering scgi_cache_background_update scgi_cache_lock scgi_cache_revalidate "
        "scgi_force_ranges scgi_ignore_client_abort scgi_intercept_errors scgi_pass_request_body "
        "scgi_pass_request_headers scgi_request_buffering scgi_socket_keepalive server_info server_name_in_redirect "
        "slice_footer_last slice_header_first srcache_ignore_content_encoding srcache_request_cache_control "
        "srcache_response_cache_control srcache_store_no_cache srcache_store_no_store srcache_store_private "
        "srcache_store_ranges ssi_ignore_recycled_buffers ssi_last_modified ssi_silent_errors "
        "sub_filter_last_modified sub_filter_once sysguard sysguard_mode tcp_nodelay tcp_nopush "
        "tunnel_socket_keepalive uwsgi_buffering uwsgi_cache_lock uwsgi_cache_revalidate uwsgi_force_ranges "
        "uwsgi_ignore_client_abort uwsgi_intercept_errors uwsgi_pass_request_body uwsgi_pass_request_headers "
        "uwsgi_request_buffering uwsgi_socket_keepalive uwsgi_ssl_server_name uwsgi_ssl_session_reuse "
        "uwsgi_ssl_verify xml_external_entities xslt_last_modified "
    ),
    (0xe000202,): (
        "server_tokens "
    ),
    (0xe000800,): (
        "addition_types ancient_browser charset_types concat_types dav_methods doh_next_upstream "
        "dubbo_ignore_headers dubbo_next_upstream early_hints error_log fastcgi_cache_bypass fastcgi_cache_methods "
        "fastcgi_cache_use_stale fastcgi_cache_valid fastcgi_ignore_headers fastcgi_next_upstream fastcgi_no_cache "
        "footer_types grpc_ignore_headers grpc_next_upstream grpc_ssl_protocols gzip_disable gzip_proxied "
        "gzip_types index lua_ssl_protocols memc_next_upstream memcached_next_upstream proxy_cache_bypass "
        "proxy_cache_methods proxy_cache_use_stale proxy_cache_valid proxy_ignore_headers proxy_next_upstream "
        "proxy_no_cache proxy_ssl_protocols redis2_next_upstream req_status req_status_bypass scgi_cache_bypass "
        "scgi_cache_methods scgi_cache_use_stale scgi_cache_valid scgi_ignore_headers scgi_next_upstream "
        "scgi_no_cache srcache_methods ssi_types sub_filter_types trim_types tunnel_next_upstream "
        "uwsgi_cache_bypass uwsgi_cache_methods uwsgi_cache_use_stale uwsgi_cache_valid uwsgi_ignore_headers "
        "uwsgi_next_upstream uwsgi_no_cache uwsgi_ssl_protocols xslt_types zstd_min_length zstd_types "
    ),
    (0x10000001,): (
        "ip_hash iwrr least_conn "
    ),
    (0x10000002,): (
        "balancer_by_lua_file balancer_keepalive check_http_send check_keepalive_requests consistent_hash multi "
        "response_time_factor sticky_secret "
    ),
    (0x10000003,): (
        "vnswrr "
    ),
    (0x10000004,): (
        "check_fastcgi_param "
    ),
    (0x10000006,): (
        "hash zone "
    ),
    (0x10000007,): (
        "dynamic_resolve random "
    ),
    (0x10000101,): (
        "balancer_by_lua_block "
    ),
    (0x10000200,): (
        "sticky_strict "
    ),
    (0x10000800,): (
        "check check_http_expect_alive "
    ),
    (0x10000806,): (
        "keepalive least_time "
    ),
    (0x10000c00,): (
        "session_sticky "
    ),
    (0x10001000,): (
        "sticky "
    ),
    (0x1e000002,): (
        "keepalive_requests keepalive_time resolver_timeout "
    ),
    (0x1e000800,): (
        "resolver "
    ),
    (0x48000001,): (
        "echo_abort_parent echo_end echo_flush echo_read_request_body echo_request_body echo_reset_timer "
    ),
    (0x48000002,): (
        "content_by_lua content_by_lua_file doh_pass dubbo_pass_all_headers dubbo_pass_body "
        "dubbo_upstream_error_info echo_blocking_sleep echo_sleep echo_status fastcgi_pass grpc_pass memc_pass "
        "memcached_pass proxy_ssl_certificate_by_lua_file proxy_ssl_verify_by_lua_file redis2_literal_raw_query "
        "redis2_pass redis2_raw_query scgi_pass uwsgi_pass "
    ),
    (0x48000004,): (
        "dubbo_pass_set redis2_raw_queries "
    ),
    (0x48000006,): (
        "echo_exec echo_location echo_location_async tfs_pass "
    ),
    (0x48000010,): (
        "dubbo_pass "
    ),
    (0x48000101,): (
        "content_by_lua_block proxy_ssl_certificate_by_lua_block proxy_ssl_verify_by_lua_block "
    ),
    (0x48000200,): (
        "lua_upstream_skip_openssl_default_verify memc_flags_to_last_modified memc_ignore_client_abort "
    ),
    (0x48000400,): (
        "echo echo_after_body echo_before_body "
    ),
    (0x48000800,): (
        "redis2_query "
    ),
    (0x48001000,): (
        "echo_duplicate echo_foreach_split echo_subrequest echo_subrequest_async rds_json_ret "
    ),
    (0x4c000003,): (
        "tunnel_pass "
    ),
    (0x4c000006,): (
        "status_zone "
    ),
    (0x4e000001,): (
        "no_error_pages "
    ),
    (0x4e000002,): (
        "access_by_lua access_by_lua_file add_header_inherit add_trailer_inherit append_header_separator "
        "body_filter_by_lua body_filter_by_lua_file charset header_filter_by_lua header_filter_by_lua_file "
        "limit_rate limit_rate_after log_by_lua log_by_lua_file lua_socket_buffer_size lua_socket_connect_timeout "
        "lua_socket_keepalive_timeout lua_socket_pool_size lua_socket_read_timeout lua_socket_send_lowat "
        "lua_socket_send_timeout post_action precontent_by_lua_file rds_csv_buffer_size rds_csv_content_type "
        "rds_csv_field_separator rds_csv_row_terminator rds_json_buffer_size rds_json_content_type "
        "rds_json_errcode_key rds_json_errstr_key rds_json_format rds_json_root rds_json_success_property "
        "rewrite_by_lua rewrite_by_lua_file root source_charset srcache_buffer srcache_default_expire "
        "srcache_fetch_skip srcache_header_buffer_size srcache_max_expire srcache_store_max_size srcache_store_skip "
        "xss_callback_arg "
    ),
    (0x4e000004,): (
        "append_header rds_json_user_property "
    ),
    (0x4e000006,): (
        "expires "
    ),
    (0x4e00000c,): (
        "add_header add_trailer srcache_fetch srcache_store "
    ),
    (0x4e000101,): (
        "access_by_lua_block body_filter_by_lua_block header_filter_by_lua_block log_by_lua_block "
        "precontent_by_lua_block rewrite_by_lua_block "
    ),
    (0x4e000200,): (
        "gzip lua_check_client_abort lua_code_cache lua_http10_buffering lua_need_request_body "
        "lua_socket_log_errors lua_transform_underscores_in_response_headers lua_use_default_type override_charset "
        "rds_csv rds_csv_field_name_header rds_json sendfile ssi xss_check_status xss_get xss_override_status zstd "
    ),
    (0x4e000800,): (
        "memc_cmds_allowed more_clear_headers more_clear_input_headers more_set_headers more_set_input_headers "
        "srcache_store_statuses xss_input_types xss_output_type "
    ),
    (0x4e001000,): (
        "error_page "
    ),
    (0x6c000001,): (
        "break "
    ),
    (0x6c000002,): (
        "goto "
    ),
    (0x6c000004,): (
        "set "
    ),
    (0x6c000006,): (
        "return "
    ),
    (0x6c00000c,): (
        "rewrite "
    ),
    (0x6c000102,): (
        "set_by_lua_block "
    ),
    (0x6c001000,): (
        "set_by_lua set_by_lua_file "
    ),
    (0x6e000002,): (
        "encrypted_session_expires encrypted_session_iv encrypted_session_key set_base32_alphabet set_local_today "
    ),
    (0x6e000004,): (
        "set_formatted_gmt_time set_formatted_local_time "
    ),
    (0x6e000006,): (
        "set_decode_base32 set_decrypt_session set_encode_base32 set_encrypt_session "
    ),
    (0x6e000008,): (
        "set_hashed_upstream "
    ),
    (0x6e00000c,): (
        "array_join "
    ),
    (0x6e000200,): (
        "rewrite_log set_base32_padding set_misc_base32_padding uninitialized_variable_warn "
    ),
    (0x88000002,): (
        "perl "
    ),
    (0x8e000002,): (
        "allow auth_basic auth_basic_user_file deny error_log_user_tag "
    ),
    (0xc8000002,): (
        "proxy_pass "
    ),
    (0xce000002,): (
        "proxy_http_version "
    ),
    (0xce000800,): (
        "access_log "
    ),
})

# known in other blocks only (stream, mail, those of forks): never unknown to nginx
ELSEWHERE: frozenset[bytes] = frozenset((
    b"auth_http auth_http_header auth_http_pass_client_cert auth_http_timeout count delay_start imap_auth "
    b"imap_capabilities imap_client_buffer lua_add_variable max_commands max_errors mqtt_preread pass pop3_auth "
    b"pop3_capabilities preread_buffer_size preread_by_lua_block preread_by_lua_file preread_by_lua_no_postpone "
    b"preread_timeout priority process protocol proxy proxy_buffer proxy_download_rate proxy_downstream_buffer "
    b"proxy_half_close proxy_pass_error_message proxy_protocol proxy_protocol_timeout proxy_protocol_tlv "
    b"proxy_protocol_version proxy_requests proxy_responses proxy_smtp_auth proxy_ssl proxy_ssl_alpn "
    b"proxy_timeout proxy_upload_rate proxy_upstream_buffer rdp_preread respawn smtp_auth smtp_capabilities "
    b"smtp_client_buffer smtp_greeting_delay ssl_alpn ssl_handshake_timeout ssl_preread ssl_sni_force starttls "
    b"timeout xclient "
).split())
